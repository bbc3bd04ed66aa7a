"""Command line: use and explain trained models, import the original's weights, trace results."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from sitenet.analysis.explain import explain_crystal, write_explanation
from sitenet.analysis.raw_attention import write_raw_attention
from sitenet.crystal.featurise import (
    MergedCrystal,
    featurise,
)
from sitenet.files import read_json
from sitenet.model.import_original import import_original
from sitenet.model.saving import load_model, save_model
from sitenet.options.features import FeatureSettings
from sitenet.progress import log, setup_logging
from sitenet.provenance.trace import jobs_behind, jobs_table, read_records
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal
from sitenet.train.embed import embed


def read_crystal(path: Path, settings: FeatureSettings) -> MergedCrystal:
    """A CIF file featurised as the model's training data were. Raises RejectedCrystal."""
    return featurise(read_cif(path.read_bytes()), settings)


def read_crystals(
    paths: Sequence[Path], settings: FeatureSettings
) -> tuple[list[str], list[MergedCrystal]]:
    """The usable crystals of CIF files, and for each file its problem in words, empty if none."""
    problems, crystals = [], []
    for path in paths:
        try:
            crystals.append(read_crystal(path, settings))
            problems.append("")
        except (RejectedCrystal, OSError) as error:
            problems.append(str(error))
    return problems, crystals


def _stored(crystals: Sequence[MergedCrystal]) -> CrystalStore:
    return CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)


def predict(weights: Path, cifs: Sequence[Path]) -> pd.DataFrame:
    """Predictions of a trained model for CIF files: columns cif, prediction, unit, problem.

    A file that cannot be used has no prediction, and its problem in words.
    """
    about = read_json(weights.with_suffix(".json"))
    settings = FeatureSettings(**about["features"])
    problems, crystals = read_crystals(cifs, settings)
    table = pd.DataFrame({"cif": list(map(str, cifs)), "prediction": None,
                          "unit": about["label"]["unit"], "problem": problems})  # fmt: skip
    if crystals:
        store = _stored(crystals)
        model = load_model(weights)
        with torch.inference_mode():
            values = [
                model(store.batch(torch.from_numpy(chosen)))
                for chosen in pack(store.sites.numpy(), 1200, None)
            ]
        table.loc[table.problem == "", "prediction"] = torch.cat(values).numpy()
    return table


def embed_cifs(weights: Path, cifs: Sequence[Path], local: bool) -> pd.DataFrame:
    """Representations of CIF files: columns cif, problem, z1, z2, ... (empty with a problem).

    Those of the crystals, or with `local` the means of those of their atoms.
    """
    settings = FeatureSettings(**read_json(weights.with_suffix(".json"))["features"])
    problems, crystals = read_crystals(cifs, settings)
    table = pd.DataFrame({"cif": list(map(str, cifs)), "problem": problems})
    if crystals:
        vectors = embed(load_model(weights), _stored(crystals), local)
        names = [f"z{k + 1}" for k in range(vectors.shape[1])]
        usable = table.index[table.problem == ""]
        table = table.join(pd.DataFrame(vectors, index=usable, columns=names))
    return table


def explain_cif(
    weights: Path, cif: Path, out: Path, site: str | None, compare: Path | None, raw: bool
) -> None:
    """Write to folder `out` what a trained model attends to in a CIF file, as tables and a figure.

    `site` is drawn (None: the one with the most attention beyond 5 A); `compare` holds the
    long-range coefficients of other crystals (None: those beside the model, if there). With `raw`
    the attention of every site to every atom of the supercell is written too. Raises
    RejectedCrystal, and ValueError if there is no such site.
    """
    from sitenet.plots.explanation import draw_explanation

    about = read_json(weights.with_suffix(".json"))
    beside = weights.with_name("long_range.parquet")
    compare = compare or (beside if beside.exists() else None)
    crystal = read_crystal(cif, FeatureSettings(**about["features"]))
    found = explain_crystal(weights, crystal, compare)
    stem = out / f"{cif.stem}_attention"
    write_explanation(found, stem)
    draw_explanation(found, site or found.farthest_site, stem.with_name(f"{stem.name}.pdf"))
    names = ["_neighbours.csv", "_heads.csv", ".pdf", ".png"]
    if raw:
        write_raw_attention(found, stem.with_name(f"{stem.name}_raw.parquet"))
        names.append("_raw.parquet")
    log.info(f"{cif}: written {', '.join(f'{stem}{name}' for name in names)}")


def import_checkpoint(source: Path, weights: Path, output: str, unit: str, n_atoms: int,
                      cutoff: float | None) -> None:  # fmt: skip
    """Convert weights of the original implementation to a model `predict` can use."""
    model = import_original(source, output, cutoff)
    features = FeatureSettings(
        n_atoms=n_atoms, supercell="greedy", oxidation="given", missing_elements="drop"
    )
    save_model(model, model.settings, weights, weights.with_suffix(".json"),
               features=asdict(features), label={"column": None, "unit": unit})  # fmt: skip
    log.info(f"{source}: {sum(p.numel() for p in model.parameters()):,} weights -> {weights}")


def trace(file: str, logs: Path) -> pd.DataFrame:
    """The jobs that a result comes from, as `provenance.trace.jobs_table` has them.

    Raises ValueError if no job under `logs` has told that it wrote `file`.
    """
    records = read_records(logs)
    if file not in records:
        raise ValueError(f"no job in {logs}/ wrote {file} (a path as results/figures/fig7.pdf)")
    return jobs_table(jobs_behind([file], records))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sitenet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    use = commands.add_parser("predict", help="predict the label of CIF files")
    use.add_argument("model", type=Path, help="model.safetensors of a run (its .json beside it)")
    use.add_argument("cif", type=Path, nargs="+")
    use.add_argument("--out", type=Path, help="CSV file (default: the terminal)")
    represent = commands.add_parser("embed", help="represent CIF files by vectors")
    represent.add_argument("model", type=Path, help="model.safetensors of a pre-training or run")
    represent.add_argument("cif", type=Path, nargs="+")
    represent.add_argument("--local", action="store_true", help="the mean of the atoms' vectors "
                           "instead of the crystal's vector Z")  # fmt: skip
    represent.add_argument("--out", type=Path, help="CSV file (default: the terminal)")
    why = commands.add_parser("explain", help="show what a model attends to in a crystal")
    why.add_argument("model", type=Path, help="model.safetensors of a run (its .json beside it)")
    why.add_argument("cif", type=Path)
    why.add_argument("--out", type=Path, required=True, help="folder for tables and figure")
    why.add_argument("--site", help="kind of site to draw, such as Ti1 (default: the one with the "
                     "most attention beyond 5 A)")  # fmt: skip
    why.add_argument("--compare", type=Path, help="long-range coefficients of other crystals "
                     "(default: long_range.parquet beside the model, if it is there)")  # fmt: skip
    why.add_argument("--raw", action="store_true", help="also write the attention of every site to "
                     "every atom of the supercell (Parquet)")  # fmt: skip
    convert = commands.add_parser(
        "import-checkpoint", help="convert weights of the original implementation"
    )
    convert.add_argument("source", type=Path, help=".npz, .safetensors or PyTorch state dict")
    convert.add_argument("weights", type=Path, help="model.safetensors to write")
    convert.add_argument("--output", choices=["linear", "nonnegative"], required=True,
                         help="nonnegative for band gaps, linear for energies")  # fmt: skip
    convert.add_argument("--unit", required=True, help="unit of the label, as in eV")
    convert.add_argument("--n", type=int, required=True, help="atoms of a supercell (50, 100, 500)")
    convert.add_argument("--cutoff", type=float, help="attention cutoff in A, if it had one")
    origin = commands.add_parser("trace", help="list the jobs that a result comes from")
    origin.add_argument("file", help="result of the pipeline, as results/figures/fig7.pdf; call "
                        "this in the folder that holds results/ and logs/")  # fmt: skip
    origin.add_argument("--out", type=Path, help="CSV file (default: the terminal)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    setup_logging()
    options = _parser().parse_args(arguments)
    try:
        if options.command == "predict":
            predict(options.model, options.cif).to_csv(options.out or sys.stdout, index=False)
        elif options.command == "embed":
            table = embed_cifs(options.model, options.cif, options.local)
            table.to_csv(options.out or sys.stdout, index=False)
        elif options.command == "explain":
            explain_cif(options.model, options.cif, options.out, options.site, options.compare,
                        options.raw)  # fmt: skip
        elif options.command == "trace":
            trace(options.file, Path("logs")).to_csv(options.out or sys.stdout, index=False)
        else:
            import_checkpoint(options.source, options.weights, options.output, options.unit,
                              options.n, options.cutoff)  # fmt: skip
    except (RejectedCrystal, ValueError, OSError) as error:
        log.error(f"sitenet {options.command}: {error}")
        return 1
    return 0
