"""What changes a training with the same seed: the size of the effect of rounding differences.

    python benchmarks/same_seed.py --table results/prototypes/labels/nearest_distance.parquet \
        --split results/prototypes/splits/nearest_distance.csv \
        --shards results/prototypes/n50/shards/*.parquet --column nearest_distance --epochs 20

Trainings of one seed in new processes: twice the same, with another number of threads, with the
vector instructions of an older processor, and with the plain path in place of the compiled kernel;
and of another seed for comparison. Printed: how much predictions differ from those of the first.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

CONDITIONS = {
    "first": (0, 1, {}),
    "the same again": (0, 1, {}),
    "two threads": (0, 2, {}),
    "AVX2 in place of AVX-512, in PyTorch": (0, 1, {"ATEN_CPU_CAPABILITY": "avx2"}),
    "plain in place of the compiled kernel": (0, 1, {"SITENET_ENGINE": "plain"}),
    "another seed": (1, 1, {}),
}
"""Seed, threads and environment of each training."""


def trained(options: argparse.Namespace, seed: int, folder: Path) -> None:
    """Train into `folder`."""
    from sitenet.options.features import FeatureSettings
    from sitenet.options.model import ModelSettings
    from sitenet.options.training import TrainingSettings
    from sitenet.train.supervised import RunInputs, RunOutputs, train

    names = ("model.safetensors", "model.json", "metrics.json", "predictions.parquet",
             "training_set.safetensors", "history.csv", "checkpoints")  # fmt: skip
    files = [folder / name for name in names]
    files[-1].mkdir()
    train(
        RunInputs(options.table, tuple(options.shards), options.split, options.column, "unit",
                  FeatureSettings(n_atoms=options.n)),
        RunOutputs(*files),
        ModelSettings(),
        TrainingSettings(batch_sites=300, max_epochs=options.epochs, patience=options.epochs,
                         seed=seed),
        accelerator="cpu",
    )  # fmt: skip


def main() -> None:
    """Print a Markdown table, or train for one of its rows."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="labels of the crystals")
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--column", required=True, help="label")
    parser.add_argument("--n", type=int, default=50, help="atoms of the supercells of the shards")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        trained(options, options.seed, options.into)
        return
    found = {}
    for name, (seed, threads, environment) in CONDITIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment}
            given = [*sys.argv, "--into", folder, "--seed", str(seed)]
            subprocess.run([sys.executable, *given], env=environment, check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            table = pd.read_parquet(Path(folder, "predictions.parquet"))
        found[name] = table[table.split == "test"]
    first = found["first"].set_index("id")
    spread = first.target.std()
    print("| training | mean absolute error | differs from the first by, RMS | of the spread |")
    print("| --- | ---: | ---: | ---: |")
    for name, table in found.items():
        own = table.set_index("id").loc[first.index]
        error = (own.prediction - own.target).abs().mean()
        apart = float(np.sqrt(((own.prediction - first.prediction) ** 2).mean()))
        print(f"| {name} | {error:.4f} | {apart:.4f} | {apart / spread:.2%} |", flush=True)


if __name__ == "__main__":
    main()
