"""Share of the test labels that is within the conformal intervals of trained runs.

python benchmarks/intervals.py results/prototypes/n50/*/*/seed*

prints for each folder of a run the number of its validation crystals, half the width of the
interval, and the share of its test crystals within.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from sitenet.evaluate.conformal import conformal


def main() -> None:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--level", type=float, default=0.9)
    options = parser.parse_args()
    shares = []
    for run in options.runs:
        table = pd.read_parquet(run / "predictions.parquet")
        sizes = (table.target - table.prediction).abs()
        known, test = (sizes[table.split == part].to_numpy() for part in ("val", "test"))
        half = conformal(known, options.level)
        if half is None:
            print(f"{run}: {len(known)} validation crystals are too few")
            continue
        shares.append((test <= half).mean())
        print(f"{run}: {len(known)} validation crystals, +-{half:.3g}, {shares[-1]:.1%} of tests")
    if shares:
        print(f"{min(shares):.1%} to {max(shares):.1%}, mean {np.mean(shares):.1%}")


if __name__ == "__main__":
    main()
