"""Command line: use trained models on crystals of one's own, import the original's weights."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from sitenet.crystal.featurise import FeatureSettings, MergedCrystal, featurise
from sitenet.files import read_json
from sitenet.model.files import load_model, save_model
from sitenet.model.original import import_original
from sitenet.progress import log, setup_logging
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore
from sitenet.sources.cif import RejectedCrystal, read_cif


def read_crystal(path: Path, settings: FeatureSettings) -> MergedCrystal:
    """A CIF file featurised as the model's training data were. Raises RejectedCrystal."""
    return featurise(read_cif(path.read_bytes()), settings)


def predict(weights: Path, cifs: Sequence[Path]) -> pd.DataFrame:
    """Predictions of a trained model for CIF files: columns cif, prediction, unit, problem.

    A file that cannot be used has no prediction, and its problem in words.
    """
    about = read_json(weights.with_suffix(".json"))
    settings = FeatureSettings(**about["features"])
    rows: list[dict[str, object]] = []
    crystals: list[MergedCrystal] = []
    for path in cifs:
        rows.append({"cif": str(path), "prediction": None, "unit": about["label"]["unit"]})
        try:
            crystals.append(read_crystal(path, settings))
            rows[-1]["problem"] = ""
        except (RejectedCrystal, OSError) as error:
            rows[-1]["problem"] = str(error)
    table = pd.DataFrame(rows)
    if crystals:
        store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
        model = load_model(weights)
        with torch.inference_mode():
            values = [
                model(store.batch(torch.from_numpy(chosen)))
                for chosen in pack(store.sites.numpy(), 1200, None)
            ]
        table.loc[table.problem == "", "prediction"] = torch.cat(values).numpy()
    return table


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sitenet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    use = commands.add_parser("predict", help="predict the label of CIF files")
    use.add_argument("model", type=Path, help="model.safetensors of a run (its .json beside it)")
    use.add_argument("cif", type=Path, nargs="+")
    use.add_argument("--out", type=Path, help="CSV file (default: the terminal)")
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
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    setup_logging()
    options = _parser().parse_args(arguments)
    try:
        if options.command == "predict":
            predict(options.model, options.cif).to_csv(options.out or sys.stdout, index=False)
        else:
            import_checkpoint(options.source, options.weights, options.output, options.unit,
                              options.n, options.cutoff)  # fmt: skip
    except (ValueError, OSError) as error:
        log.error(f"sitenet {options.command}: {error}")
        return 1
    return 0
