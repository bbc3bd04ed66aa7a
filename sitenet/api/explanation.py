"""What a model attends to in one crystal, as tables and a figure."""

from itertools import islice
from pathlib import Path
from typing import Any

from sitenet.analysis.explain import explain_crystal
from sitenet.analysis.explanation import write_explanation
from sitenet.analysis.raw_attention import write_raw_attention
from sitenet.api.ensemble import Ensemble
from sitenet.api.given import given_crystals
from sitenet.api.reading import read_all
from sitenet.plots.explanation import draw_explanation
from sitenet.progress import log
from sitenet.structure.rejection import RejectedCrystal


def explain(
    ensemble: Ensemble,
    crystal: Any,
    out: Path,
    site: str | None = None,
    compare: Path | None = None,
    raw: bool = False,
) -> list[Path]:
    """Write tables and figure of one crystal to the folder `out`, which is made; their paths.

    Args:
        ensemble: of which the first member is explained.
        crystal: in any form that `given_crystals` takes.
        out: folder for ID_attention_neighbours.csv, _heads.csv, .pdf and .png.
        site: site class to draw, such as Ti1 (None: the one with the most attention beyond 5 A).
        compare: long-range coefficients of other crystals (None: those next to the model, if any).
        raw: whether the attention of every site to every atom of the supercell is written too
            (Parquet).

    Raises:
        RejectedCrystal: the crystal cannot be used.
        ValueError: there is no such site class, or not one crystal.
        OSError: there is no place for the results, or no file `compare`.
    """
    weights = ensemble.members[0].weights
    ensemble.about.unit()
    if compare is not None and not compare.is_file():
        raise OSError(f"--compare {compare} does not exist")
    default = weights.with_name("long_range.parquet")
    if isinstance(crystal, str | Path) and Path(crystal).is_dir():
        raise RejectedCrystal(f"{crystal}: it is a folder: give one file")
    given = list(islice(given_crystals(crystal), 2))
    if len(given) != 1:
        raise RejectedCrystal(f"{crystal}: give one crystal")
    out.mkdir(parents=True, exist_ok=True)
    ((one, (merged, problem, _)),) = read_all(given, ensemble.features)
    if merged is None:
        raise RejectedCrystal(f"{one.id}: {problem}")
    found = explain_crystal(weights, merged, compare or (default if default.exists() else None))
    stem = out / f"{Path(one.id).stem}_attention"
    write_explanation(found, stem)
    draw_explanation(found, site or found.farthest_site, stem.with_name(f"{stem.name}.pdf"))
    names = ["_neighbours.csv", "_heads.csv", ".pdf", ".png"]
    if raw:
        write_raw_attention(found, stem.with_name(f"{stem.name}_raw.parquet"))
        names.append("_raw.parquet")
    written = [stem.with_name(f"{stem.name}{name}") for name in names]
    log.info(f"{one.id}: written {', '.join(map(str, written))}")
    return written
