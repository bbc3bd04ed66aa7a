"""Where the processor time of a supervised training goes, step by step and in all.

    python benchmarks/training_parts.py --run results/prototypes/n50/shell_6/sitenet/seed0

Trains the first epochs of a finished run of the pipeline anew, on one thread, in a folder of its
own, and prints the time in each part (without the parts within it). `--sites` sets another size of
the batches.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sitenet.model.flat import FlatParameters
from sitenet.model.kernels.compiled import Functions
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.train import checkpoints, loop, supervised
from sitenet.train.batches import Batches
from sitenet.train.history import Report
from sitenet.train.task import LabelTask

STEP = ("attention blocks", "other kernels", "rest of the forward pass",
        "rest of the backward pass", "optimiser and clipping", "batches")  # fmt: skip
ONCE = ("validation", "checkpoints", "history", "loading", "predictions and metrics", "rest")


class Parts:
    """Processor seconds by part; a part within another does not count for that one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.steps = 0
        self._open = ["rest"]
        self._since = time.process_time()

    def enter(self, part: str) -> None:
        """From now on time is that of `part`; within the validation everything is."""
        self._charge()
        self._open.append("validation" if "validation" in self._open else part)

    def leave(self) -> None:
        """Time is that of the surrounding part again."""
        self._charge()
        self._open.pop()

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def watch(self, owner: Any, name: str, part: str | Callable[[Any], str]) -> None:
        """Count the calls of a function or method for `part`, which may follow from its object."""
        usual = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.enter(part if isinstance(part, str) else part(arguments[0]))
            try:
                return usual(*arguments, **named)
            finally:
                self.leave()

        setattr(owner, name, watched)

    def watch_batches(self) -> None:
        """Count what iterating over batches takes."""
        usual = Batches.__iter__

        def watched(batches: Batches) -> Iterator[Any]:
            part = "validation" if batches.shuffle is None else "batches"
            iterator = usual(batches)
            while True:
                self.enter(part)
                try:
                    batch = next(iterator, None)
                finally:
                    self.leave()
                if batch is None:
                    return
                self.steps += part == "batches"
                yield batch

        Batches.__iter__ = watched


def watched() -> Parts:
    """Watch everything that a training calls."""
    parts = Parts()
    parts.watch_batches()
    kernels = dict.fromkeys(("pair_block", "attention"), "attention blocks")
    parts.watch(Functions, "__call__", lambda f: kernels.get(f.kernel, "other kernels"))
    parts.watch(LabelTask, "train_step", "rest of the forward pass")
    parts.watch(LabelTask, "validation_step", "validation")
    parts.watch(FlatParameters, "differentiate", "rest of the backward pass")
    parts.watch(loop.Stepper, "step", "optimiser and clipping")
    parts.watch(checkpoints, "save_checkpoint", "checkpoints")
    parts.watch(Report, "__call__", "history")
    parts.watch(supervised.SupervisedTraining, "load_task", "loading")
    parts.watch(supervised, "_evaluation", "predictions and metrics")
    return parts


def train(run: Path, folder: Path, **changes: Any) -> None:
    """The run `.../DATASET/nN/TASK/VARIANT/seedS` with changed settings, into `folder`."""
    about = json.loads((run / "model.json").read_text())
    column, data = about["label"]["column"], run.parents[3]
    supervised.train(
        supervised.RunInputs(
            structures=data / "labels" / f"{column}.parquet",
            shards=tuple(sorted((run.parents[2] / "shards").glob("*.parquet"))),
            split=data / "splits" / f"{column}.csv",
            **about["label"],
            features=FeatureSettings(**about["features"]),
        ),
        supervised.RunOutputs(
            *(folder / name for name in ("model.safetensors", "model.json", "metrics.json",
                                         "predictions.parquet", "training_set.safetensors",
                                         "history.csv", "checkpoints"))
        ),
        ModelSettings.from_dict(about["model"]),
        replace(TrainingSettings(**about["training"]), **changes),
    )  # fmt: skip


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--sites", type=int, help="unique sites of a batch")
    parser.add_argument("--apart", action="store_true", help="a node of autograd for each part")
    options = parser.parse_args()
    if options.apart:
        SiteNet.join = lambda self, flat: None
    torch.set_num_threads(1)
    parts = watched()
    with tempfile.TemporaryDirectory() as folder:
        changes = {"max_epochs": options.epochs}
        changes |= {"batch_sites": options.sites} if options.sites else {}
        train(options.run, Path(folder), **changes)
    parts.enter("rest")
    print(f"{parts.steps} steps, {sum(parts.seconds.values()):.1f} processor seconds in all\n")
    print("| part of a step | ms |\n| --- | ---: |")
    for part in STEP:
        print(f"| {part} | {1e3 * parts.seconds[part] / parts.steps:.2f} |")
    total = sum(parts.seconds[part] for part in STEP)
    print(f"| **step** | {1e3 * total / parts.steps:.2f} |")
    print(f"\n| beside the steps of {options.epochs} epochs | ms |\n| --- | ---: |")
    for part in ONCE:
        print(f"| {part} | {1e3 * parts.seconds[part]:.0f} |")


if __name__ == "__main__":
    main()
