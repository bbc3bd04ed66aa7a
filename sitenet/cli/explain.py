"""`sitenet explain`: tables and a figure of what a model attends to in one crystal."""

from argparse import Namespace
from pathlib import Path

from sitenet.analysis.cif_files import CifFile, find_cifs, read_guarded
from sitenet.analysis.explain import explain_crystal
from sitenet.analysis.explanation import write_explanation
from sitenet.analysis.raw_attention import write_raw_attention
from sitenet.cli.checks import check_folder, exit_code
from sitenet.crystal.featurise import MergedCrystal
from sitenet.model.description import read_description
from sitenet.model.saving import load_model
from sitenet.plots.explanation import draw_explanation
from sitenet.progress import log


def run_explain(options: Namespace) -> int:
    """Write the tables and the figure of one crystal to the folder `out`.

    Returns the exit code. Raises UnusableModel, ValueError for an unknown site, and OSError if
    there is no place for the results.
    """
    load_model(options.model)  # its problems are told before the work
    about = read_description(options.model)
    about.unit()
    if options.compare is not None and not options.compare.is_file():
        raise OSError(f"--compare {options.compare} does not exist")
    options.out.mkdir(parents=True, exist_ok=True)
    check_folder(options.out)
    ((file, crystal),) = read_guarded(_one(options.cif), about.features())
    if crystal is not None:
        explain(options.model, file.path, crystal, options)
    return exit_code([(str(file.path), file.problem)] if file.problem else [], 1)


def _one(cif: Path) -> list[CifFile]:
    """The file to explain; a folder has a problem."""
    return [CifFile(cif, "it is a folder: give one file")] if cif.is_dir() else find_cifs([cif])


def explain(weights: Path, cif: Path, crystal: MergedCrystal, options: Namespace) -> None:
    """Write the attention of a trained model in the crystal of a CIF file to folder `out`.

    `options` has out: the folder for CIF_attention_neighbours.csv, _heads.csv, .pdf and .png; site:
    the site class to draw (None: the one with the most attention beyond 5 A); compare: long-range
    coefficients of other crystals (None: those next to the model, if any); raw: whether the
    attention of every site to every atom of the supercell is written, too (Parquet). Raises
    ValueError if there is no such site class.
    """
    default = weights.with_name("long_range.parquet")
    compare = options.compare or (default if default.exists() else None)
    found = explain_crystal(weights, crystal, compare)
    stem = options.out / f"{cif.stem}_attention"
    write_explanation(found, stem)
    site = options.site or found.farthest_site
    draw_explanation(found, site, stem.with_name(f"{stem.name}.pdf"))
    names = ["_neighbours.csv", "_heads.csv", ".pdf", ".png"]
    if options.raw:
        write_raw_attention(found, stem.with_name(f"{stem.name}_raw.parquet"))
        names.append("_raw.parquet")
    log.info(f"{cif}: written {', '.join(f'{stem}{name}' for name in names)}")
