"""Errors of simple models on vectors and descriptors of crystals, trained on few labels.

Ridge regression and extremely randomised trees as in `sitenet fit`; on Z also linear regression
and a small network, which the paper of Deep InfoMax compares (doi:10.1039/d4dd00202d).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sitenet.analysis.encoder_tests import DESCRIPTORS, TRAINED
from sitenet.evaluate.representation import Labelled, Probe, evaluate
from sitenet.evaluate.training_set import crystals_seen
from sitenet.few.arms import Arm, Crystals, Model, fit_arm, predict_arm
from sitenet.few.descriptors import COMPOSITION
from sitenet.few.drawn_crystals import drawn_ids
from sitenet.few.encoder_vectors import SITES, Z
from sitenet.model.description import UnusableModel
from sitenet.options.representation import RepresentationSettings
from sitenet.parallel import ordered_map
from sitenet.progress import log
from sitenet.shards.vectors import read_vectors
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import read_by_id, read_ids, read_table, write_table

Float = NDArray[np.float64]

MODELS: tuple[Model, ...] = ("ridge", "trees")
OF_THE_PAPER = ("linear", "mlp")


@dataclass(frozen=True)
class Drawn:
    """Crystals to label and to test on, with labels; formulas by id."""

    pool: Labelled
    test: Labelled
    formula: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        return self.pool.ids + self.test.ids

    def among(self, ids: Iterable[str]) -> "Drawn":
        """Only crystals with one of these ids."""
        kept = set(ids)

        def some(part: Labelled) -> Labelled:
            rows = [k for k, name in enumerate(part.ids) if name in kept]
            return Labelled([part.ids[k] for k in rows], part.target[rows])

        return Drawn(some(self.pool), some(self.test), self.formula)


def read_drawn(
    structures: Path, labels: Path, split: Path, column: str, known: Path,
    settings: RepresentationSettings,
) -> Drawn:  # fmt: skip
    """The drawn crystals of a task that are in the table `known` too."""
    ids = read_ids(known)
    pool, test = (
        Labelled(names, read_by_id(labels, names, [column])[column])
        for names in drawn_ids(read_parts(split), settings)
    )
    names = pool.ids + test.ids
    formulas = read_by_id(structures, names, ["formula"])["formula"]
    return Drawn(pool, test, dict(zip(names, formulas, strict=True))).among(ids)


def check_unseen(drawn: Drawn, weights: Path) -> None:
    """Raise UnusableModel if an encoder was trained on a formula of a test crystal, or may be."""
    seen = crystals_seen(weights.parent)
    if seen is None:
        raise UnusableModel(
            f"{weights}: there is no record beside it of the crystals that it was trained on, so "
            "nobody can tell whether it saw the test crystals"
        )
    formulas = set(seen["formula"])
    if met := sorted({drawn.formula[name] for name in drawn.test.ids} & formulas):
        raise UnusableModel(
            f"{weights}: it was trained on {len(met):,} formulas of the test crystals ({met[0]}, "
            "...). Take a split by formula, and train it with these crystals held out: name it in "
            "the section `encoders` before it is trained"
        )


def write_descriptor_errors(
    drawn: Drawn, descriptors: Path, settings: RepresentationSettings, out: Path, workers: int = 1
) -> None:
    """Errors on the descriptors of composition, see `write_encoder_errors`."""
    vectors = read_vectors([descriptors], drawn.ids).astype(np.float64)
    rows = _with_arms(drawn, vectors, settings, workers)
    named = rows.assign(state=DESCRIPTORS, representation=COMPOSITION)
    write_table(out, named)


def write_encoder_errors(
    drawn: Drawn,
    weights: Path,
    vectors: Path,
    settings: RepresentationSettings,
    out: Path,
    workers: int = 1,
) -> None:
    """Write Parquet `out`: state, representation, model, labels, mask, test_mae.

    Args:
        drawn: crystals of a task.
        weights: of the encoder.
        vectors: table of `sitenet.few.encoder_vectors`.
        settings: numbers of labels, draws, and the small network.
        out: file.
        workers: processes; their number changes no digit.

    Raises:
        UnusableModel: the encoder saw formulas of the test crystals.
    """
    check_unseen(drawn, weights)
    table = read_table(vectors).set_index("id")
    drawn = drawn.among(table.index)
    found = []
    for column in table.columns:
        state, name = column.split(" ", 1)
        if name == SITES:  # nothing is learned there
            if state != TRAINED:
                continue
            state = DESCRIPTORS
        rows = np.stack(table.loc[drawn.ids, column].tolist()).astype(np.float64)
        errors = [_with_arms(drawn, rows, settings, workers)]
        if name == Z:
            errors.append(_of_the_paper(drawn, rows, settings, workers))
        found += [one.assign(state=state, representation=name) for one in errors]
        log.info(f"{out.parent.name} {out.stem}: {column} is finished")
    write_table(out, pd.concat(found, ignore_index=True))


def _with_arms(
    drawn: Drawn, vectors: Float, settings: RepresentationSettings, workers: int
) -> pd.DataFrame:
    draws = [(count, mask) for count in settings.label_counts for mask in range(settings.masks)]
    work = partial(_fit_draw, drawn, vectors)
    with threadpool_limits(1):
        rows = [row for found in ordered_map(work, draws, workers, fork=True) for row in found]
    return pd.DataFrame(rows)


def _fit_draw(drawn: Drawn, vectors: Float, draw: tuple[int, int]) -> list[dict[str, Any]]:
    """Errors of the models on one draw of labels: their number and which."""
    count, mask = draw
    rows = label_mask(drawn.pool.ids, count, mask)
    test = np.arange(len(drawn.pool.ids), len(drawn.ids))
    formulas = np.array([drawn.formula[name] for name in drawn.ids], dtype=object)
    crystals = Crystals({"vectors": vectors}, formulas, np.ones(len(formulas), dtype=np.int64))

    def errors() -> Iterator[tuple[str, float]]:
        for model in MODELS:
            arm = Arm(model, ("vectors",))
            fitted = fit_arm(arm, crystals, rows, drawn.pool.target[rows], mask)
            predicted = predict_arm(arm, fitted, crystals, test)
            yield model, float(np.abs(predicted - drawn.test.target).mean())

    return [
        {"model": model, "labels": count, "mask": mask, "test_mae": error}
        for model, error in errors()
    ]


def _of_the_paper(
    drawn: Drawn, vectors: Float, settings: RepresentationSettings, workers: int
) -> pd.DataFrame:
    """Linear regression and a small network on the same draws."""
    pool = len(drawn.pool.ids)
    probe = Probe(drawn.pool, drawn.test, vectors[:pool], vectors[pool:])
    table = evaluate(probe, settings, workers, "models of the paper")
    return table[table.model.isin(OF_THE_PAPER)]
