"""Processor seconds that each kind of job needs before it starts to work, and to end.

    python benchmarks/startup.py

runs the imports of every script of the workflow in a new process that then ends as a job does, and
`sitenet predict` of one CIF with `--model`. Prints the smallest of some repeats, user and system
time.
"""

import argparse
import ast
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
CRYSTAL = ROOT / "tests" / "data" / "crystals" / "TiO2.cif"


def imports_of(script: Path) -> str:
    """The import statements at the top of a script, as a program that ends as a job does."""
    body = ast.parse(script.read_text()).body
    imports = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    end = "from sitenet.lifetime import leave_with\nleave_with(0)"
    return "\n".join(["snakemake = None", *imports, end])  # by this name, job.py knows a job


def processor_seconds(command: list[str], repeats: int) -> float:
    """Smallest user and system time of `command` in a process of its own."""
    paths = [str(ROOT), str(SCRIPTS)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    taken = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, help="model.safetensors, for `sitenet predict`")
    options = parser.parse_args()
    programs = {"import torch": "import torch"}
    programs |= {path.stem: imports_of(path) for path in sorted(SCRIPTS.glob("*.py"))}
    for name, program in programs.items():
        seconds = processor_seconds([sys.executable, "-c", program], options.repeats)
        print(f"{name:20} {seconds:5.2f} s", flush=True)
    if options.model:
        command = [sys.executable, "-m", "sitenet", "predict", str(options.model), str(CRYSTAL)]
        print(f"{'sitenet predict':20} {processor_seconds(command, options.repeats):5.2f} s")


if __name__ == "__main__":
    main()
