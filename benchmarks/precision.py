"""Products of bfloat16 in the pair networks beside float32: errors of trainings, over seeds.

    python benchmarks/precision.py --run results/prototypes/n50/shell_6/sitenet/seed0 --seeds 3

First the errors of the finished run's model on its first crystals, against double precision: labels
beside their spread, the gradient of the mean label beside its norm. Then it trains the run anew
with both precisions and each seed, on one thread, in folders of their own. Printed: the lowest
validation error, the error of the best weights on the test crystals, which are predicted in
float32, and processor seconds. Means have the standard deviation over the seeds behind them; the
last line is the mean of the differences of each seed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from training_parts import train

from sitenet.model.saving import load_model
from sitenet.shards.store import CrystalStore
from sitenet.train.precision import Precision

PRECISIONS = ("32-true", "bf16-mixed")
COLUMNS = ("validation", "test", "seconds")


def labels_and_gradient(run: Path, precision: str) -> tuple[Tensor, Tensor]:
    """Labels (B,) of 100 crystals by the model of a run, and the gradient of their mean."""
    store = CrystalStore.from_shards(sorted((run.parents[2] / "shards").glob("*.parquet"))[:1])
    batch, forward = store.batch(torch.arange(100)), Precision(precision, torch.device("cpu"))
    model = load_model(run / "model.safetensors")
    if forward.double:
        model, batch = model.double(), batch.cast(torch.float64)
    with forward.forward():
        labels = model(batch)
    used = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(labels.mean(), used, allow_unused=True)
    return labels.detach(), torch.cat([g.flatten() for g in found if g is not None])


def print_errors(run: Path) -> None:
    """Print the table of errors against double precision."""
    print("| precision | labels, root mean square | labels, largest | gradient |")
    print("| --- | ---: | ---: | ---: |")
    labels, gradient = labels_and_gradient(run, "64-true")
    for precision in PRECISIONS:
        found = labels_and_gradient(run, precision)
        apart = (found[0].double() - labels) / labels.std()
        of_gradient = (found[1].double() - gradient).norm() / gradient.norm()
        numbers = apart.square().mean().sqrt(), apart.abs().max(), of_gradient
        print(f"| {precision} | {' | '.join(f'{float(number):.1e}' for number in numbers)} |")


def outcome(run: Path, seed: int, precision: str, epochs: int) -> dict[str, float | int | str]:
    """What is printed of one training."""
    start = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = {"max_epochs": epochs, "patience": epochs}
        train(run, folder, seed=seed, precision=precision, **changes)
        history = pd.read_csv(folder / "history.csv")
        test = json.loads((folder / "metrics.json").read_text())["splits"]["test"]["mae"]
    seconds = time.process_time() - start
    numbers = dict(zip(COLUMNS, (history.val_mae.min(), test, seconds), strict=True))
    return {"seed": seed, "precision": precision, **numbers}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print_errors(options.run)
    if not options.seeds:
        return
    print(f"\n| seed | precision | {' | '.join(COLUMNS)} |\n| --- | --- | ---: | ---: | ---: |")
    rows = []
    for seed in range(options.seeds):
        for precision in PRECISIONS:
            rows.append(outcome(options.run, seed, precision, options.epochs))
            numbers = " | ".join(f"{rows[-1][name]:.4g}" for name in COLUMNS)
            print(f"| {seed} | {precision} | {numbers} |", flush=True)
    table = pd.DataFrame(rows)
    for precision, part in table.groupby("precision", sort=False):
        cells = (f"{part[name].mean():.4g} ({part[name].std():.2g})" for name in COLUMNS)
        print(f"| mean | {precision} | {' | '.join(cells)} |")
    wide = table.pivot(index="seed", columns="precision", values=list(COLUMNS))
    apart = {name: wide[name]["bf16-mixed"] - wide[name]["32-true"] for name in COLUMNS}
    cells = (f"{apart[name].mean():.2g} ({apart[name].std():.2g})" for name in COLUMNS)
    print(f"| difference | | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
