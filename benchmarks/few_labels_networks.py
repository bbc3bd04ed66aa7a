"""What networks among the arms do to the error of the choice, on draws that no table is judged by.

    python benchmarks/few_labels_networks.py results/phonons eps_electronic --largest 100 \\
        --encoders 'results/mp/n50/formation_energy/plus/seed*' \\
        'results/mp/n50/pretraining/crystals_seed*'

reads a data set and encoders that `config/few_labels.yaml` made (`*`: each of their seeds, of which
draws take one in turn). Labels are drawn from the training and validation parts, and the choices
with and without networks are judged on crystals of other formulas of these parts.
"""

import argparse
from pathlib import Path

import numpy as np

from sitenet.api.reading import cores
from sitenet.few.choice import choose
from sitenet.few.experiment import read_experiment
from sitenet.few.fit import prepare
from sitenet.few.nested import Task, folds_of, joined, predict_tasks, tasks_of
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LIMITS
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts

MASKS = 1000
"""First mask: those of the learning curves are lower."""

JUDGED = 600
"""Crystals that a draw is judged on at most."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("task")
    parser.add_argument("--encoders", nargs="+", default=[])
    parser.add_argument("--encoder-seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--largest", type=float)
    parser.add_argument("--labels", type=int, default=250)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    folder, task, settings = options.dataset, options.task, FitSettings(network_from=1)
    weights = [
        [Path(one.replace("*", str(seed))) / "model.safetensors" for one in options.encoders]
        for seed in options.encoder_seeds
    ]
    read = read_experiment(
        folder / "structures.parquet", folder / f"labels/{task}.parquet", task, weights, settings,
        LIMITS, options.largest, options.workers
    )  # fmt: skip
    sides = prepare(read.labelled, read.kinds, read.encoder_sets, settings)
    parts = read_parts(folder / f"splits/{task}.csv")
    print("| draw | without networks | with networks | change |")
    print("| ---: | ---: | ---: | ---: |")
    changes = []
    for draw in range(options.draws):
        ready, mask = sides[draw % len(sides)], MASKS + draw
        known = [parts.of.get(name) in ("train", "val") for name in ready.ids]
        pool, formulas = np.flatnonzero(known), ready.table.formulas
        rows = pool[label_mask([ready.ids[k] for k in pool], options.labels, mask)]
        others = pool[~np.isin(formulas[pool], formulas[rows])]
        random = np.random.default_rng([7, options.labels, draw])
        judged = np.sort(random.permutation(others)[:JUDGED])
        label = ready.label[rows]
        candidates, folds = ready.candidates(label), folds_of(formulas[rows], [0, mask])
        tasks = tasks_of(rows, folds)
        *found, asked = predict_tasks(candidates, ready.table, ready.label,
                                      [*tasks, Task(rows, judged)], 0, options.workers)  # fmt: skip
        predictions = joined(tasks, found, rows)
        errors = []
        for some in ([arm.network is None for arm in candidates], [True] * len(candidates)):
            arms = [arm for arm, there in zip(candidates, some, strict=True) if there]
            choice = choose(arms, predictions[some], label, folds)
            errors.append(np.abs(choice.predict(asked[some]) - ready.label[judged]).mean())
        changes.append(errors[1] / errors[0] - 1)
        print(f"| {draw} | {errors[0]:.4g} | {errors[1]:.4g} | {changes[-1]:+.1%} |", flush=True)
    print(f"\nmean change of the error: {np.mean(changes):+.1%}")


if __name__ == "__main__":
    main()
