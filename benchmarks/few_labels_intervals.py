"""How many crystals of other formulas are in the intervals of `sitenet fit`.

    python benchmarks/few_labels_intervals.py results/phonons peak --labels 100 250 --draws 3

reads a data set of the pipeline (structures.parquet, labels/TASK.parquet, splits/TASK.csv), fits
draws of labels of the training part as the command does, without encoders, and counts the test
crystals whose label is in its interval.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sitenet.evaluate.conformal import interval
from sitenet.few.encoders import kinds_of
from sitenet.few.fit import fit_few_labels
from sitenet.few.labels import Label, read_labelled
from sitenet.options.few_labels import DEFAULT_ARMS, FitSettings
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts

LEVEL = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("task")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 250])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=list(DEFAULT_ARMS))
    options = parser.parse_args()
    kinds, task = kinds_of([]), options.task
    labelled, _ = read_labelled(
        options.dataset / "structures.parquet",
        options.dataset / f"labels/{task}.parquet", task, kinds
    )  # fmt: skip
    parts = read_parts(options.dataset / f"splits/{task}.csv")
    part = np.array([parts.of.get(name, "") for name in labelled.ids])
    pool, test = (np.flatnonzero(np.isin(part, names)) for names in (["train", "val"], ["test"]))
    asked = labelled.taken(test.tolist())
    print("| labels | draw | honest error | test error | held | processor time (s) |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in options.labels:
        for draw in range(options.draws):
            mask = pool[label_mask([labelled.ids[k] for k in pool], count, draw)]
            settings, start = FitSettings(arms=tuple(options.arms)), time.process_time()
            with TemporaryDirectory() as folder:
                fit, _ = fit_few_labels(labelled.taken(mask.tolist()), Path(folder),
                                        Label(task, ""), kinds, settings=settings)  # fmt: skip
            taken, found = time.process_time() - start, fit.apply(asked.crystals)
            around = interval(LEVEL, fit.residuals, fit.spread)
            spreads = [None] * len(test) if found.spread is None else found.spread.tolist()
            halves = np.array([around.half_width(spread)[0] for spread in spreads], dtype=float)
            error = np.abs(asked.label - found.prediction)
            print(f"| {count:,} | {draw} | {fit.about['mae']:.4g} | {error.mean():.4g} "
                  f"| {(error <= halves).mean():.1%} | {taken:.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
