"""`sitenet explain`: tables and a figure of what a model attends to in one crystal."""

from argparse import Namespace
from pathlib import Path

from sitenet.analysis.cif_files import read_crystal
from sitenet.analysis.explain import explain_crystal
from sitenet.analysis.explanation import write_explanation
from sitenet.analysis.raw_attention import write_raw_attention
from sitenet.model.saving import features_of
from sitenet.plots.explanation import draw_explanation
from sitenet.progress import log


def run_explain(options: Namespace) -> None:
    """Write the tables and the figure of one crystal to the folder `out`.

    Raises RejectedCrystal, and ValueError for an unknown site.
    """
    explain_cif(options.model, options.cif, options.out, options.site, options.compare, options.raw)


def explain_cif(
    weights: Path, cif: Path, out: Path, site: str | None, compare: Path | None, raw: bool
) -> None:
    """Write the attention of a trained model in a CIF file to folder `out`.

    Args:
        weights: model.safetensors of a run, with its JSON next to it.
        cif: file of one crystal.
        out: folder for CIF_attention_neighbours.csv, _heads.csv, .pdf and .png.
        site: site class to draw; None: the one with the most attention beyond 5 A.
        compare: long-range coefficients of other crystals; None: those next to the model, if any.
        raw: also write the attention of every site to every atom of the supercell (Parquet).

    Raises:
        RejectedCrystal: the CIF file cannot be used.
        ValueError: there is no such site class.
    """
    default = weights.with_name("long_range.parquet")
    compare = compare or (default if default.exists() else None)
    found = explain_crystal(weights, read_crystal(cif, features_of(weights)), compare)
    stem = out / f"{cif.stem}_attention"
    write_explanation(found, stem)
    draw_explanation(found, site or found.farthest_site, stem.with_name(f"{stem.name}.pdf"))
    names = ["_neighbours.csv", "_heads.csv", ".pdf", ".png"]
    if raw:
        write_raw_attention(found, stem.with_name(f"{stem.name}_raw.parquet"))
        names.append("_raw.parquet")
    log.info(f"{cif}: written {', '.join(f'{stem}{name}' for name in names)}")
