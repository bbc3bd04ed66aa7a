"""Ensembles of trees as arrays: what scikit-learn grew, without it and without pickle."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Arrays = Mapping[str, NDArray]

TREES = 200
"""Of extremely randomised trees."""

ROUNDS, RATE, DEPTH = 200, 0.07, 4
"""Of gradient boosting: trees, learning rate and depth."""


def extra_trees(rows: Float, label: Float, seed: int) -> dict[str, NDArray]:
    """Extremely randomised trees (P. Geurts et al., doi:10.1007/s10994-006-6226-1) as arrays."""
    # Imported on use: importing it takes as long as importing PyTorch.
    from sklearn.ensemble import ExtraTreesRegressor

    grown = ExtraTreesRegressor(TREES, max_features=1 / 3, random_state=seed).fit(rows, label)
    return _arrays([tree.tree_ for tree in grown.estimators_], 0.0, 1 / TREES)


def boosted_trees(rows: Float, label: Float, seed: int) -> dict[str, NDArray]:
    """Gradient boosting of small trees on random rows and columns, as arrays."""
    from sklearn.ensemble import GradientBoostingRegressor

    grown = GradientBoostingRegressor(
        n_estimators=ROUNDS, learning_rate=RATE, max_depth=DEPTH, min_samples_leaf=2, subsample=0.7,
        max_features=0.15, random_state=seed,
    ).fit(rows, label)  # fmt: skip
    return _arrays([tree.tree_ for tree in grown.estimators_[:, 0]], float(label.mean()), RATE)


def predict_trees(arrays: Arrays, rows: Float) -> Float:
    """The label (n,) of each of `rows` (n, d): the sum over all trees of their leaves' values."""
    feature, threshold, child = arrays["feature"], arrays["threshold"], arrays["child"]
    single = rows.astype(np.float32)  # as scikit-learn compares
    node = np.broadcast_to(arrays["root"], (len(rows), len(arrays["root"]))).copy()
    place = np.arange(len(rows))[:, None]
    while True:
        asked = feature[node]
        inner = asked >= 0
        if not inner.any():
            return np.asarray(arrays["base"][0] + arrays["value"][node].sum(axis=1))
        right = single[place, np.maximum(asked, 0)] > threshold[node]
        node = np.where(inner, child[node, right.astype(np.intp)], node)


def check_trees(arrays: Arrays, columns: int) -> None:
    """Raise ValueError unless arrays are trees over `columns` columns that end."""
    feature, child, root = arrays["feature"], arrays["child"], arrays["root"]
    nodes = len(feature)
    shapes = child.shape == (nodes, 2) and arrays["threshold"].shape == (nodes,)
    shapes &= arrays["value"].shape == (nodes,) and arrays["base"].shape == (1,)
    inner = np.flatnonzero(feature >= 0)
    if not (
        shapes
        and ((root >= 0) & (root < nodes)).all()
        and (feature < columns).all()
        and (child[inner] > inner[:, None]).all()  # so no way goes in circles
        and (child[inner] < nodes).all()
    ):
        raise ValueError("these are no trees of this table")


def _arrays(trees: list, base: float, weight: float) -> dict[str, NDArray]:
    """Nodes of all trees one after another; leaves have the feature -1."""
    sizes = np.array([tree.node_count for tree in trees])
    root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    children = [
        np.where(np.stack([tree.children_left, tree.children_right], 1) >= 0,
                 np.stack([tree.children_left, tree.children_right], 1) + start, -1)
        for tree, start in zip(trees, root, strict=True)
    ]  # fmt: skip
    feature = np.concatenate([tree.feature for tree in trees])
    return {
        "root": root,
        "feature": np.where(feature >= 0, feature, -1).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "child": np.concatenate(children).astype(np.int32),
        "value": weight * np.concatenate([tree.value[:, 0, 0] for tree in trees]),
        "base": np.array([base]),
    }
