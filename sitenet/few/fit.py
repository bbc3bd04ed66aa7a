"""From labelled crystals to the best model: arms, nested cross-validation, a folder."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sitenet.crystal.featurise import MergedCrystal
from sitenet.few.arms import (
    ALL_ENCODERS,
    RANDOM_WEIGHTS,
    Arm,
    Crystals,
    descriptor_arms,
    encoder_arms,
    of_several_seeds,
    with_logarithms,
)
from sitenet.few.descriptors import describe
from sitenet.few.encoders import Encoder, Stores, stores_of
from sitenet.few.kept import Kept
from sitenet.few.labels import Label, Labelled
from sitenet.few.nested import Nested, nested
from sitenet.few.networks import Network
from sitenet.few.report import comparison, written
from sitenet.few.saving import Fit, Member, crystals_of, known_crystals, spread_of, write_fit
from sitenet.files import write_text
from sitenet.options.few_labels import FitSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.parallel import ordered_map
from sitenet.progress import Progress, log
from sitenet.shards.guarded import Kinds
from sitenet.sources.records import Rejection
from sitenet.structure.formula import reduced_formula
from sitenet.tables import write_table

Float = NDArray[np.float64]

FEWEST = 20
"""Labelled crystals that a choice takes at least."""

FEWEST_FORMULAS = 5

UNFINISHED = ".unfinished"
"""Folder, in that of a fit, with finished arms until all are."""


@dataclass(frozen=True)
class Prepared:
    """Crystals that can be used, as arms see them, with the arms and what they need.

    network_from: labels from which on networks are among the arms. refused: crystals without
    descriptors.
    """

    ids: list[str]
    crystals: list[tuple[MergedCrystal, ...]] = field(repr=False)
    kinds: Kinds
    label: Float
    table: Crystals = field(repr=False)
    arms: list[Arm]
    network_from: int
    refused: list[Rejection]

    def candidates(self, label: Float) -> list[Arm]:
        """The arms for labels (m,), on them and on their logarithms."""
        networks = len(label) >= self.network_from
        arms = [arm for arm in self.arms if networks or arm.model != "network"]
        return with_logarithms(arms, label)


def prepare(
    labelled: Labelled,
    kinds: Kinds,
    encoder_sets: Sequence[Sequence[Encoder]],
    settings: FitSettings,
) -> list[Prepared]:
    """Describe crystals and list the arms, with each set of encoders.

    Raises ValueError for too few crystals, or labels that are all the same.
    """
    described = describe([one[0] for one in labelled.crystals])
    sound = [k for k, problem in enumerate(described.problems) if not problem]
    refused = [
        Rejection(name, problem)
        for name, problem in zip(labelled.ids, described.problems, strict=True)
        if problem
    ]
    ids, crystals, label = labelled.taken(sound)
    groups = {name: values[sound] for name, values in described.groups.items()}
    stores: Stores = {}
    networks = "network" in settings.arms and len(crystals) >= settings.network_from
    if crystals and (any(encoder_sets) or networks):
        stores = stores_of(ids, crystals, kinds)
    first = [one[0] for one in crystals]
    formulas = len({reduced_formula(crystal.numbers) for crystal in first})
    if len(crystals) < FEWEST or formulas < FEWEST_FORMULAS:
        raise ValueError(
            f"{len(crystals)} usable labelled crystals of {formulas} formulas are too few to "
            f"choose a model, which takes {FEWEST} of {FEWEST_FORMULAS} or more"
        )
    if label.std() == 0:
        raise ValueError(f"all {len(label)} labels are {label[0]:g}: there is nothing to learn")
    return [
        Prepared(ids, crystals, kinds, label, crystals_of(first, groups, encoders, stores),
                 _arms(encoders, kinds, settings, networks), settings.network_from, refused)
        for encoders in encoder_sets
    ]  # fmt: skip


def _arms(
    encoders: Sequence[Encoder], kinds: Kinds, settings: FitSettings, networks: bool
) -> list[Arm]:
    found = [arm for arm in descriptor_arms() if arm.model in ("mean", *settings.arms)]
    found += _vector_arms(encoders, settings)
    if not networks:
        return found
    training = TrainingSettings(max_epochs=settings.epochs)
    plain = Network(ModelSettings(), training, kinds[0])
    if "random" in settings.network_starts:
        found.append(Arm("network", source=RANDOM_WEIGHTS, network=plain))
    for encoder in encoders:
        start = "labelled" if encoder.labelled else "unlabelled"
        if encoder.control and start in settings.network_starts:
            # The encoder may be of labels that are never negative; these may be.
            model = replace(encoder.network.settings, output="linear")
            network = Network(model, training, encoder.features, encoder.weights)
            found.append(Arm("network", source=encoder.name, network=network))
    return found


def _vector_arms(encoders: Sequence[Encoder], settings: FitSettings) -> list[Arm]:
    """On the vectors of each encoder and of each control, and on those of all encoders together."""
    found = [
        arm
        for one in encoders
        for arm in encoder_arms([one.name], one.source, control=not one.control)
    ]
    trained = [one.name for one in encoders if one.control]
    if len(trained) > 1:
        found += encoder_arms(trained, ALL_ENCODERS)
    wanted = {*settings.arms} & {*settings.vector_arms}
    return [arm for arm in found if arm.model in wanted]


def fit_few_labels(
    labelled: Labelled,
    out: Path,
    label: Label,
    kinds: Kinds,
    encoders: Sequence[Encoder] = (),
    settings: FitSettings = FitSettings(),  # noqa: B008
    workers: int = 1,
) -> tuple[Fit, list[Rejection]]:
    """Choose, judge and train the best model; write it and what is known of it to a folder.

    The same call goes on with one that was killed. Files: fit.json, fit.safetensors and encoders/
    (the model), arms.csv (errors of all arms), predictions.csv (each labelled crystal by a choice
    made without its fold), report.md.

    Args:
        labelled: crystals with labels.
        out: folder.
        label: column and unit.
        kinds: how the crystals were featurised.
        encoders: see `sitenet.few.encoders`.
        settings: arms and seed.
        workers: processes; their number changes no digit.

    Returns:
        The fit, and crystals that were not used.

    Raises:
        ValueError: too few crystals, or labels that are all the same.
    """
    (ready,) = prepare(labelled, kinds, [encoders], settings)
    candidates = ready.candidates(ready.label)
    log.info(
        f"{len(ready.ids):,} labelled crystals of {len(set(ready.table.formulas)):,} formulas, "
        f"{len(candidates)} arms"
    )
    unfinished = out / UNFINISHED
    finished, seed = Kept(unfinished), settings.seed
    judged = nested(candidates, ready.table, ready.label, seed, workers, finished)
    members = _members(candidates, judged.choice.weights, ready, seed, workers, finished)
    residuals = ready.label - judged.honest
    first = [one[0] for one in ready.crystals]
    scale, known = known_crystals(first, ready.table.groups, judged.folds, residuals)
    used = {name for one in members for name in one.arm.groups}
    kept = [one for one in encoders if one.name in used]
    networks = [one.arm.network.features for one in members if one.arm.network]
    needed = tuple(dict.fromkeys([kinds[0], *(one.features for one in kept), *networks]))
    arms = comparison(candidates, judged, ready.label, ready.table.formulas)
    text = written(arms, judged, candidates, ready.label, ready.table.formulas, label, encoders)
    about: dict[str, Any] = {
        "label": {"column": label.column, "unit": label.unit},
        "settings": settings.to_dict(),
        "positive": bool(ready.label.min() > 0 and any(arm.ln for arm in candidates)),
        "labels": len(ready.label),
        "winner": judged.choice.winner,
        "mae": float(np.abs(residuals).mean()),
    }
    fit = Fit(about, members, kept, needed, residuals, _spread(judged), scale, known)
    write_fit(fit, out)
    write_table(out / "arms.csv", arms)
    write_table(out / "predictions.csv", pd.DataFrame({
        "id": ready.ids, "formula": ready.table.formulas, "label": ready.label,
        "prediction": judged.honest, "fold": judged.folds}))  # fmt: skip
    write_text(out / "report.md", text)
    shutil.rmtree(unfinished, ignore_errors=True)
    return fit, ready.refused


def _members(
    candidates: Sequence[Arm],
    weights: Mapping[int, float],
    ready: Prepared,
    seed: int,
    workers: int,
    kept: Kept,
) -> list[Member]:
    """The chosen arms, trained on all labels."""
    arms = [candidates[k] for k in weights]
    progress = Progress(len(arms), "training what is saved", "arms", interval=10.0)
    members = []
    found = ordered_map(
        partial(_trained, ready, seed, kept), arms, min(workers, len(arms)), fork=True
    )
    for arm, weight, arrays in zip(arms, weights.values(), found, strict=True):
        members.append(Member(arm, weight, arrays))
        progress.advance()
    progress.finish()
    return members


def _trained(ready: Prepared, seed: int, kept: Kept, arm: Arm) -> dict[str, NDArray]:
    rows = np.arange(len(ready.label))
    with threadpool_limits(1):
        return kept.trained(of_several_seeds(arm), ready.table, rows, ready.label, seed)


def _spread(judged: Nested) -> Float | None:
    """Spread (n,) of the chosen arms' out-of-fold predictions; None for a single arm."""
    weights = judged.choice.weights
    if len(weights) == 1:
        return None
    return spread_of(np.array(list(weights.values())), judged.predictions[list(weights)])
