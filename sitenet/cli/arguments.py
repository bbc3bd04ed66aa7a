"""Arguments of every command. Nothing heavy is imported here."""

from argparse import ArgumentParser, ArgumentTypeError
from math import inf, nan
from pathlib import Path
from typing import Any, get_args

from sitenet.options.few_labels import (
    DEFAULT_ARMS,
    NETWORK_FROM,
    NETWORK_STARTS,
    Arms,
    Start,
)
from sitenet.options.model import Output

MODEL = (
    "name of a model that comes with the package, model.safetensors or folder of a run, folder of "
    "runs that are an ensemble, or folder of `sitenet fit`"
)
CRYSTALS = (
    "CIF and POSCAR files; folders, of which all *.cif, *.vasp, *.poscar, POSCAR and CONTCAR are "
    "taken, also in folders in them; CSV or Parquet tables with a column of CIF texts; patterns"
)
TABLE = "file to write, .csv, .json or .parquet (default: print the table)"
SECONDS = "largest processor time for reading one crystal (default: 20); it is refused beyond that"
CODES = (
    "Crystals that cannot be used are listed with the reason, and the others go on. The same "
    "command continues a run that was interrupted. Exit codes: 0 if all crystals were used; 1 for "
    "an error, such as a model or output that cannot be used; 2 if some were refused, or for wrong "
    "arguments."
)

Commands = Any
"""argparse's object that subparsers are added to; it has no public type."""


def make_parser() -> ArgumentParser:
    """The parser of `sitenet` with all its commands."""
    parser = ArgumentParser(
        prog="sitenet",
        description="Apply and explain trained models, import weights of the original "
        "implementation, and trace results to the jobs that made them.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_predict(commands)
    _add_embed(commands)
    _add_explain(commands)
    _add_fit(commands)
    _add_info(commands)
    _add_import_checkpoint(commands)
    _add_trace(commands)
    return parser


def _add_predict(commands: Commands) -> None:
    predict = commands.add_parser(
        "predict", help="predict the label of crystals", description=CODES
    )
    predict.add_argument("model", help=MODEL)
    _add_crystals(predict)
    predict.add_argument(
        "--level",
        type=_share,
        default=0.9,
        help="probability with which a label is within its interval (default: 0.9)",
    )


def _add_embed(commands: Commands) -> None:
    embed = commands.add_parser(
        "embed", help="compute representation vectors of crystals", description=CODES
    )
    embed.add_argument("model", help=MODEL.replace("a run, or", "a run or pre-training; no"))
    _add_crystals(embed)
    embed.add_argument(
        "--local",
        action="store_true",
        help="mean of the atoms' local representations instead of the crystal's vector Z",
    )


def _add_crystals(command: ArgumentParser) -> None:
    """What is read, how, and where the table goes."""
    command.add_argument("crystals", nargs="+", help=CRYSTALS)
    command.add_argument("--out", type=Path, help=TABLE)
    command.add_argument("--seconds", type=_positive, default=20.0, help=SECONDS)
    command.add_argument(
        "--workers", type=_count, help="processes that read crystals (default: one per core)"
    )
    command.add_argument(
        "--device", default="auto", help="auto (a GPU if there is one; default), cpu or gpu"
    )
    command.add_argument(
        "--cif-column", default="cif", help="column of CIF texts in tables (default: cif)"
    )
    command.add_argument(
        "--id-column",
        help="column of ids in tables (default: id or material_id, else the number of the row)",
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not 0 < value < inf:
        raise ArgumentTypeError(f"it must be a number above 0, not {text}")
    return value


def _share(text: str) -> float:
    value = _positive(text)
    if value >= 1:
        raise ArgumentTypeError(f"it must be a number between 0 and 1, not {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"it must be a whole number above 0, not {text}")
    return int(text)


def _add_explain(commands: Commands) -> None:
    explain = commands.add_parser("explain", help="show what a model attends to in a crystal")
    explain.add_argument("model", help=MODEL)
    explain.add_argument("cif", help="CIF or POSCAR file")
    explain.add_argument("--out", type=Path, required=True, help="folder for tables and figure")
    explain.add_argument(
        "--site",
        help="site class to draw, such as Ti1 (default: the one with the most attention beyond "
        "5 A)",
    )
    explain.add_argument(
        "--compare",
        type=Path,
        help="long-range coefficients of other crystals (default: long_range.parquet in the "
        "model's folder, if it exists)",
    )
    explain.add_argument(
        "--raw",
        action="store_true",
        help="also write the attention of every site to every atom of the supercell (Parquet)",
    )


def _add_fit(commands: Commands) -> None:
    fit = commands.add_parser(
        "fit",
        help="choose, judge and train the best model for a table of labels",
        description="Tries models on descriptors of the crystals, and on vectors of encoders if "
        "they are given, chooses by nested cross-validation over whole formulas, and writes a "
        "folder that `sitenet predict` takes. Exit codes: 0 if all labels were used; 1 for an "
        "error; 2 if some were refused (listed in OUT/refused.csv), or for wrong arguments.",
    )
    fit.add_argument("labels", type=Path, help="CSV or Parquet table of ids and labels")
    fit.add_argument(
        "--cifs",
        type=Path,
        help="folder of CIF files called like the ids (default: the table has a column of CIF "
        "texts)",
    )
    fit.add_argument("--out", type=Path, default=Path("fit"), help="folder to write (default: fit)")
    fit.add_argument(
        "--label",
        help="column of the label (default: the only one that is left, or that has numbers)",
    )
    fit.add_argument("--unit", default="", help="unit of the label")
    fit.add_argument(
        "--id-column",
        help="column of the ids (default: that which names the CIF files; without --cifs: id or "
        "material_id)",
    )
    fit.add_argument(
        "--cif-column", default="cif", help="column of CIF texts, without --cifs (default: cif)"
    )
    fit.add_argument(
        "--encoder",
        action="append",
        metavar="MODEL",
        help="trained model whose vectors are tried too, beside those of an untrained one; can be "
        "given several times (default: encoders of the package that did not learn this label from "
        "these crystals; none: descriptors alone)",
    )
    fit.add_argument(
        "--arms",
        nargs="+",
        choices=get_args(Arms),
        default=list(DEFAULT_ARMS),
        help="models to try (default: all; network is Site-Net itself, trained about 40 times)",
    )
    fit.add_argument(
        "--network-from",
        type=_count,
        default=NETWORK_FROM,
        metavar="LABELS",
        help="number of labels from which on a network is tried; with fewer it is seldom worth its "
        f"time (default: {NETWORK_FROM})",
    )
    fit.add_argument(
        "--network-starts",
        nargs="+",
        choices=get_args(Start),
        default=list(NETWORK_STARTS),
        help="weights that networks start from: random ones, those of encoders that learned no "
        "label, and those of encoders that did (default: the former two)",
    )
    fit.add_argument("--epochs", type=_count, default=40, help="of a network (default: 40)")
    fit.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")
    fit.add_argument("--workers", type=_count, help="processes (default: one per core)")


def _add_info(commands: Commands) -> None:
    info = commands.add_parser(
        "info", help="tell what a model is: label, errors, training set, card"
    )
    info.add_argument("model", help=MODEL)
    info.add_argument("--json", action="store_true", help="as JSON")


def _add_import_checkpoint(commands: Commands) -> None:
    convert = commands.add_parser(
        "import-checkpoint", help="convert weights of the original implementation"
    )
    convert.add_argument("source", type=Path, help=".npz, .safetensors or PyTorch state dict")
    convert.add_argument("weights", type=Path, help="model.safetensors to write")
    convert.add_argument(
        "--output",
        choices=get_args(Output),
        required=True,
        help="nonnegative for band gaps, linear for energies",
    )
    convert.add_argument("--unit", required=True, help="unit of the label, such as eV")
    convert.add_argument(
        "--n", type=int, required=True, help="N, atoms of a supercell (50, 100, 500)"
    )
    convert.add_argument(
        "--cutoff", type=float, help="attention cutoff in A, if the model was trained with one"
    )


def _add_trace(commands: Commands) -> None:
    trace = commands.add_parser("trace", help="list the jobs that a result comes from")
    trace.add_argument(
        "file",
        help="result of the pipeline, such as results/figures/fig7.pdf; run this in the folder "
        "that contains results/ and logs/",
    )
    trace.add_argument("--out", type=Path, help=TABLE)
