"""What it costs to notice changed files: fingerprints of a folder of CIFs, first and later runs.

python benchmarks/content.py --files 30000
"""

import argparse
import tempfile
import time
from pathlib import Path

from sitenet.options.datasets import CifFolderSource
from sitenet.sources.content import YOUNG, Contents

CRYSTALS = Path(__file__).resolve().parents[1] / "tests" / "data" / "crystals"


def main() -> None:
    """Write copies of the example crystals, and print processor seconds and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=30_000)
    options = parser.parse_args()
    examples = [path.read_bytes() for path in sorted(CRYSTALS.glob("*.cif"))]
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = Path(temporary, "cifs"), Path(temporary, "cache")
        folder.mkdir()
        for number in range(options.files):
            text = examples[number % len(examples)] + b"# %d\n" % number
            (folder / f"c{number}.cif").write_bytes(text)
        lines = [f"c{number},{number}" for number in range(options.files)]
        (folder / "id_prop.csv").write_text("\n".join(lines))
        time.sleep(YOUNG / 1e9)
        source = CifFolderSource(path=str(folder))
        for name in ("first run", "later run"):
            start = time.process_time()
            contents = Contents(cache)
            contents.crystals(source)
            contents.labels(source, "value")
            spent = time.process_time() - start
            print(f"{name}: {spent:.2f} processor seconds for {options.files:,} CIF files")
        kept = sum(path.stat().st_size for path in cache.iterdir())
        print(f"kept in .snakemake: {kept / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
