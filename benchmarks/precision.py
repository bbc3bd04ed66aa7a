"""Products of bfloat16 in the pair networks beside float32: errors of trainings, over seeds.

    python benchmarks/precision.py --run results/prototypes/n50/shell_6/sitenet/seed0 --seeds 3

Trains a finished run of the pipeline anew with both precisions and each seed, on one thread, in
folders of their own. Printed: the lowest validation error, the error of the best weights on the
test crystals, which are predicted in float32, and processor seconds. Means have the standard
deviation over the seeds behind them; the last line is the mean of the differences of each seed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from training_parts import train

PRECISIONS = ("32-true", "bf16-mixed")
COLUMNS = ("validation", "test", "seconds")


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
    print(f"| seed | precision | {' | '.join(COLUMNS)} |\n| --- | --- | ---: | ---: | ---: |")
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
