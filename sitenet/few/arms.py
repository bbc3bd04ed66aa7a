"""Arms: models on groups of descriptors or vectors, of the label or of its logarithm.

A trained arm is a set of arrays, which `predict_arm` reads: nothing of scikit-learn is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sitenet.few.descriptors import BONDS, COMPOSITION
from sitenet.few.encoders import Stores
from sitenet.few.linear import gaussian_process, predict_process, predict_ridge, ridge
from sitenet.few.networks import SEEDS, Network, predict_network, train_network
from sitenet.few.trees import boosted_trees, check_trees, extra_trees, predict_trees

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Arrays = Mapping[str, NDArray]

Model = Literal["mean", "ridge", "trees", "boosting", "gp", "network"]

SIMPLE: tuple[Model, ...] = ("ridge", "trees", "boosting", "gp")

WORDS = {
    "mean": "mean of the labels",
    "ridge": "ridge regression",
    "trees": "extremely randomised trees",
    "boosting": "gradient boosting",
    "gp": "Gaussian process",
    "network": "Site-Net",
}
"""The models, in words."""

DESCRIPTORS, RANDOM_WEIGHTS = "descriptors", "random weights"
"""Sources of arms that need no trained encoder."""

ALL_ENCODERS = "all encoders"
"""Source of arms on the vectors of all encoders together."""

SKEWED = 1.0
"""Skewness above which positive labels are also fitted by their logarithm."""


@dataclass(frozen=True)
class Arm:
    """A model on `groups` of columns, of the label or of its natural logarithm (`ln`).

    source: what the columns are: descriptors, an encoder, its untrained control; of a network what
    it starts from. control: it is there to compare with, and never chosen.
    """

    model: Model
    groups: tuple[str, ...] = ()
    ln: bool = False
    source: str = DESCRIPTORS
    network: Network | None = None
    control: bool = False

    @property
    def key(self) -> str:
        """What it is apart from the logarithm: `gp:composition+bonds`."""
        on = "+".join(self.groups) or self.source
        return "mean" if self.model == "mean" else f"{self.model}:{on}"


@dataclass(frozen=True)
class Crystals:
    """n crystals as arms see them: `groups` of columns (n, d) by name, and merged pairs.

    formulas (n,). n_sites (n,): unique sites. stores: for networks.
    """

    groups: Mapping[str, Float]
    formulas: NDArray
    n_sites: Int
    stores: Stores = field(default_factory=dict)

    def table(self, arm: Arm, rows: Int) -> Float:
        """The columns of an arm of some crystals."""
        return np.hstack([self.groups[name][rows] for name in arm.groups])


def descriptor_arms() -> list[Arm]:
    """The mean, and each simple model on composition, on bonds, and on both."""
    sets = ((COMPOSITION,), (BONDS,), (COMPOSITION, BONDS))
    return [Arm("mean"), *(Arm(model, groups) for groups in sets for model in SIMPLE)]


def encoder_arms(names: Sequence[str], source: str, control: bool = False) -> list[Arm]:
    """Each simple model on the vectors in all the groups `names`, and on descriptors beside them.

    Of a control only the former.
    """
    alone, beside = tuple(names), (COMPOSITION, BONDS, *names)
    return [
        Arm(model, groups, source=source, control=control)
        for groups in ((alone,) if control else (alone, beside))
        for model in SIMPLE
    ]


def with_logarithms(arms: Sequence[Arm], label: Float) -> list[Arm]:
    """The arms, and the same on the logarithm if all labels are above 0 and skewed to the right.

    Networks, which take long, learn the logarithm alone then.
    """
    centred = label - label.mean()
    skewness = (centred**3).mean() / max((centred**2).mean() ** 1.5, 1e-300)
    if label.min() <= 0 or skewness <= SKEWED:
        return list(arms)
    logarithms = [replace(arm, ln=True) for arm in arms if arm.model != "mean"]
    return [*(arm for arm in arms if arm.model != "network"), *logarithms]


def of_several_seeds(arm: Arm) -> Arm:
    """The arm as it predicts new crystals and is judged: a network is the mean of several then."""
    if arm.network is None:
        return arm
    return replace(arm, network=replace(arm.network, seeds=SEEDS))


def fit_arm(arm: Arm, crystals: Crystals, rows: Int, label: Float, seed: int) -> dict[str, NDArray]:
    """Train on the crystals `rows` (m,) with `label` (m,); the arrays of the trained arm."""
    target = np.log(label) if arm.ln else label
    spread = target.std()
    bounds = np.array([target.min() - spread, target.max() + spread])
    return {**_fitted(arm, crystals, rows, target, seed), "bounds": bounds}


def _fitted(
    arm: Arm, crystals: Crystals, rows: Int, target: Float, seed: int
) -> dict[str, NDArray]:
    if arm.model == "mean":
        return {"base": np.array([target.mean()])}
    if arm.model == "network":
        assert arm.network is not None
        store = crystals.stores[arm.network.features]
        return train_network(arm.network, store, crystals.n_sites, rows, target, seed)
    table = crystals.table(arm, rows)
    if arm.model == "ridge":
        return ridge(table, target)
    if arm.model == "gp":
        ends = np.cumsum([crystals.groups[name].shape[1] for name in arm.groups])
        return gaussian_process(table, target, ends.tolist(), seed)
    return {"trees": extra_trees, "boosting": boosted_trees}[arm.model](table, target, seed)


def predict_arm(arm: Arm, arrays: Arrays, crystals: Crystals, rows: Int) -> Float:
    """The label (m,) of the crystals `rows` (m,), at most a deviation beyond the known ones."""
    if arm.model == "mean":
        found = np.full(len(rows), arrays["base"][0])
    elif arm.model == "network":
        assert arm.network is not None
        found = predict_network(arm.network, arrays, crystals.stores[arm.network.features], rows)
    else:
        predict = {"ridge": predict_ridge, "gp": predict_process, "trees": predict_trees,
                   "boosting": predict_trees}[arm.model]  # fmt: skip
        found = predict(arrays, crystals.table(arm, rows))
    found = np.clip(found, *arrays["bounds"])
    return np.exp(found) if arm.ln else found


def check_arrays(arm: Arm, arrays: Arrays, columns: int) -> None:
    """Raise ValueError unless stored arrays are those of the arm, on so many columns."""
    needed = {"mean": ["base"], "ridge": ["shift", "factor", "slope", "base"],
              "gp": ["shift", "factor", "ends", "rows", "parameters", "weight", "base"],
              "network": []}.get(arm.model, ["root", "feature", "threshold", "child", "value",
                                             "base"])  # fmt: skip
    if missing := [name for name in (*needed, "bounds") if name not in arrays]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("it holds values that are not finite numbers")
    if arm.model in ("trees", "boosting"):
        check_trees(arrays, columns)
    elif "shift" in needed and not arrays["shift"].shape == arrays["factor"].shape == (columns,):
        raise ValueError(f"it is not of {columns} columns")
