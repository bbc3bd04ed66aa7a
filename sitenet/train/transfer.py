"""Learning from few labels: the encoder starts from given weights, the head afresh.

Transfer learning of doi:10.1039/d4dd00202d, Fig. 7. Runs that differ only in where the encoder
comes from (their arm) see the same labels, in the same batches, with the same initial head: all of
that follows from the seed.

Seeds are trained one by one in processes that share what one of them has imported and read. To
stack their networks into one
(torch.func.vmap) excludes the compiled kernels and took 2.7 times as long per seed and step of 400
sites on a CPU; without the kernels it was no faster either.
"""

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sitenet.files import read_json, write_json
from sitenet.model.inference import BATCH_SITES, predict
from sitenet.model.saving import load_encoder
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.options.transfer import TransferSettings
from sitenet.parallel import ordered_map
from sitenet.progress import duration, log
from sitenet.shards.featurised import read_featurised
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import write_table
from sitenet.train.batches import Batches
from sitenet.train.data import TaskData, load_labelled
from sitenet.train.label_units import set_label_units
from sitenet.train.loop import train_epochs
from sitenet.train.task import Batch, Found, LabelTask


@dataclass(frozen=True)
class TransferInputs:
    """Data of an arm: `column` of `structures` is the label in `unit`.

    n_atoms: N of the `shards`. encoder: weights to start from (None: random ones).
    """

    structures: Path
    shards: tuple[Path, ...]
    split: Path
    column: str
    unit: str
    n_atoms: int
    encoder: Path | None


@dataclass(frozen=True)
class SeedResult:
    """One run; errors are in the label's unit, epochs count from 1."""

    labels: int
    seed: int
    train: int
    validation: int
    epochs: int
    best_epoch: int
    val_mae: float
    test_mae: float
    seconds: float


@dataclass(frozen=True)
class FewLabels:
    """`pool`: ids of crystals whose labels may be shown; `data`: those shown, and the test set."""

    pool: list[str]
    data: TaskData

    def shown(self, labels: int, seed: int) -> Tensor:
        """Indices (labels,) into `data` of the crystals whose labels a seed shows."""
        chosen = label_mask(self.pool, labels, seed)
        return torch.tensor([self.data.store.index[self.pool[k]] for k in chosen])


def load_few_labels(
    inputs: TransferInputs, labels: int, seeds: int, memory_gib: float
) -> FewLabels:
    """Read what `seeds` runs on `labels` labels need.

    The pool is the split's training part without primitive cells of more than N sites; the test
    set is whole.

    Raises:
        ValueError: the pool has fewer crystals than `labels`, or the test set none.
    """
    crystals = read_featurised(inputs.shards, read_parts(inputs.split))
    crystals.require("test")
    candidates = crystals.indices("train", inputs.n_atoms)
    pool = crystals.ids[candidates].tolist()
    needed = crystals.parts == "test"
    try:
        for seed in range(seeds):
            needed[candidates[label_mask(pool, labels, seed)]] = True
    except ValueError as error:
        raise ValueError(
            f"{inputs.split}: {error} in the training part with at most {inputs.n_atoms} sites; "
            "ask for fewer in infomax.transfer.label_counts"
        ) from None
    needed = crystals.take(needed)
    return FewLabels(
        pool, load_labelled(needed, inputs.shards, inputs.structures, inputs.column, memory_gib)
    )


def train_arm(
    inputs: TransferInputs,
    settings: TransferSettings,
    names: tuple[str, str],
    finished: Path,
    out: Path,
    workers: int = 1,
) -> None:
    """Train with every seed and write Parquet `out`: experiment, arm, and `SeedResult`'s fields.

    Args:
        inputs, settings: what is trained, and how.
        names: of experiment and arm.
        finished: folder that keeps the result of each seed until all are there: a run that was
            killed continues with the seeds that are missing.
        workers: processes, each of which trains one seed at a time on one thread. They are copies
            of this one, with one copy of the crystals for all. Their number changes no digit.

    Raises:
        ValueError: there are too few crystals, or the encoder has another architecture.
    """
    start = time.monotonic()
    label = f"{names[0]} {names[1]}, {settings.labels:,} labels"
    kept = [seed for seed in range(settings.seeds) if _is_whole(_result_file(finished, seed))]
    if kept:
        log.info(f"{label}: {len(kept)} of {settings.seeds} seeds are finished already")
    log.info(f"{label}: {settings.trained:,} for training, {settings.watched:,} for validation")
    missing = [seed for seed in range(settings.seeds) if seed not in kept]
    work = partial(_train_and_keep, inputs, settings, finished)
    if missing:
        _read(inputs, settings)
    for result in ordered_map(work, missing, min(workers, len(missing)), fork=True):
        log.info(
            f"{label}, seed {result.seed}: test MAE {result.test_mae:.4g} {inputs.unit}, best of "
            f"{result.epochs} epochs was {result.best_epoch}, {duration(result.seconds)}"
        )
    rows = [read_json(_result_file(finished, seed)) for seed in range(settings.seeds)]
    table = pd.DataFrame(rows)
    table.insert(0, "arm", names[1])
    table.insert(0, "experiment", names[0])
    write_table(out, table)
    shutil.rmtree(finished)
    log.info(
        f"{label}: median test MAE of {len(table)} seeds {table.test_mae.median():.4g} "
        f"{inputs.unit}, {duration(time.monotonic() - start)}"
    )


def _result_file(finished: Path, seed: int) -> Path:
    return finished / f"seed{seed}.json"


def _is_whole(result: Path) -> bool:
    """Whether the result of a seed can be read."""
    try:
        read_json(result)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _train_and_keep(
    inputs: TransferInputs, settings: TransferSettings, finished: Path, seed: int
) -> SeedResult:
    """Train one seed on one thread of this process and write its result to `finished`."""
    with one_thread():
        result = train_seed(_read(inputs, settings), inputs.encoder, settings, seed)
    write_json(_result_file(finished, seed), asdict(result))
    return result


def _read(inputs: TransferInputs, settings: TransferSettings) -> FewLabels:
    """What all seeds need, read once for this process and its copies."""
    with one_thread():
        return _few_labels(inputs, settings.labels, settings.seeds, settings.training.memory_gib)


_few_labels = cache(load_few_labels)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train_seed(
    few: FewLabels, encoder: Path | None, settings: TransferSettings, seed: int
) -> SeedResult:
    """Train on the labels that `seed` shows; the weights of the best validation epoch are tested.

    Validation takes the last of the shown crystals, which are in random order.
    """
    start = time.monotonic()
    training = replace(settings.training, seed=seed)
    shown = few.shown(settings.labels, seed)
    fitting, watched = shown[: settings.trained], shown[settings.trained :]
    model = new_model(few.data, fitting, encoder, settings.model, training)
    epochs, best_epoch, val_mae = train_few_labels(model, few.data, fitting, watched, training)
    tested = few.data.indices("test").numpy()
    predictions = predict(model, few.data.store, training.batch_sites, tested)
    return SeedResult(
        labels=settings.labels,
        seed=seed,
        train=len(fitting),
        validation=len(watched),
        epochs=epochs,
        best_epoch=best_epoch,
        val_mae=val_mae,
        test_mae=float(np.abs(predictions - few.data.target[tested]).mean()),
        seconds=time.monotonic() - start,
    )


def new_model(
    data: TaskData,
    fitting: Tensor,
    encoder: Path | None,
    model_settings: ModelSettings,
    training: TrainingSettings,
) -> SiteNet:
    """A model with a fresh head, which depends on the seed only, and the encoder's weights.

    Labels are scaled by those of the crystals `fitting`.
    """
    torch.manual_seed(training.seed)
    model = SiteNet(model_settings)
    if encoder is not None:
        load_encoder(model, encoder)
    set_label_units(model, data, fitting, training.label_scaling)
    return model


class FewLabelsTask(LabelTask):
    """Learns few labels, on the CPU.

    Epochs are shuffled by their number from 1, and the loss is the plain mean: results stay those
    of earlier versions to the last bit.
    """

    def start_epoch(self, epoch: int) -> None:
        """Shuffle by the number of the epoch."""
        super().start_epoch(epoch + 1)

    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """The mean error of a batch."""
        error = (self.model(batch[0]) - batch[1]).abs()
        return self._found(error.mean() / self.model.label_scale, error.sum(), batch)


def train_few_labels(
    model: SiteNet, data: TaskData, fitting: Tensor, watched: Tensor, settings: TrainingSettings
) -> tuple[int, int, float]:
    """Train until the validation MAE no longer falls; the model ends with its best weights.

    Returns:
        Epochs, the best of them, and its validation MAE.

    Raises:
        ValueError: the validation error is not a number.
    """
    task = FewLabelsTask(
        model,
        settings,
        Batches(data, fitting, settings.batch_sites, shuffle=settings.seed),
        Batches(data, watched, max(settings.batch_sites, BATCH_SITES)),
    )
    history, weights = train_epochs(task, settings, torch.device("cpu"))
    last, best = history.rows[-1], history.best()
    if not math.isfinite(last["val_mae"]):
        raise ValueError(f"the validation error is {last['val_mae']} after {last['epoch']} epochs; "
                         "lower infomax.transfer.training.learning_rate")  # fmt: skip
    model.load_state_dict(weights)
    return int(last["epoch"]), int(best["epoch"]), best["val_mae"]
