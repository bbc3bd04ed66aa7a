"""Standardised columns, ridge regression, and Gaussian processes, as arrays."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Arrays = Mapping[str, NDArray]

CLIP = 4.0
"""Largest standardised value: heavy-tailed columns would rule a fit on few rows."""

CONSTANT = 1e-9
"""Smallest deviation of a column that varies, relative to its size."""

PENALTIES = np.logspace(-2, 6, 25)
"""Of ridge regression; leave-one-out cross-validation within the labels chooses."""

FITTED = 300
"""Largest number of rows that kernel widths and noise are fitted to."""

ROOT_THREE = 3**0.5


def standard(rows: Float) -> dict[str, NDArray]:
    """Shift and factor (d,) of columns; the factor is 0 for constant ones."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    varied = deviation > CONSTANT * np.maximum(np.abs(mean), 1)
    factor = np.where(varied, 1 / np.where(varied, deviation, 1), 0.0)
    return {"shift": mean, "factor": factor}


def standardised(scale: Arrays, rows: Float) -> Float:
    """Rows (n, d) by `standard`, clipped."""
    return np.clip((rows - scale["shift"]) * scale["factor"], -CLIP, CLIP)


def ridge(rows: Float, label: Float) -> dict[str, NDArray]:
    """Ridge regression on standardised columns."""
    from sklearn.linear_model import RidgeCV

    scale = standard(rows)
    model = RidgeCV(PENALTIES).fit(standardised(scale, rows), label)
    return {**scale, "slope": model.coef_, "base": np.array([model.intercept_])}


def predict_ridge(arrays: Arrays, rows: Float) -> Float:
    """The label (n,) of each of `rows` (n, d)."""
    return np.asarray(standardised(arrays, rows) @ arrays["slope"] + arrays["base"][0])


def gaussian_process(
    rows: Float, label: Float, ends: Sequence[int], seed: int
) -> dict[str, NDArray]:
    """A Gaussian process with one Matern kernel (nu = 3/2) for each group of columns, added.

    Amplitude and width of each kernel, and the noise, maximise the likelihood of at most `FITTED`
    rows, with broad priors, as in C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for
    Machine Learning, 2006, eqs. 2.25 and 5.8. Own code, as kernels of scikit-learn see all columns.

    Args:
        rows: (n, d). label: (n,).
        ends: end of each group of columns.
        seed: of the rows that are drawn.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize

    scale = standard(rows)
    groups = _groups(standardised(scale, rows), ends, scale["factor"])
    mean, spread = label.mean(), label.std() or 1.0
    target = (label - mean) / spread
    drawn = np.sort(np.random.default_rng(seed).permutation(len(label))[:FITTED])
    distances = [_distances(group[drawn], group[drawn]) for group in groups]
    prior = np.array([0.0, 1.0] * len(groups) + [-3.0])
    bounds = [(-3.0, 3.0), (-2.0, 5.0)] * len(groups) + [(-9.0, 1.0)]
    best = minimize(
        _loss, prior, (prior, distances, target[drawn]), "L-BFGS-B", jac=True, bounds=bounds
    ).x
    covariance = _covariance(best, [_distances(group, group) for group in groups])
    covariance[np.diag_indices(len(label))] += np.exp(best[-1])
    weight = cho_solve(cho_factor(covariance), target) * spread
    return {**scale, "ends": np.array(ends), "rows": rows, "parameters": best,
            "weight": weight, "base": np.array([mean])}  # fmt: skip


def _loss(
    parameters: Float, prior: Float, distances: Sequence[Float], target: Float
) -> tuple[float, Float]:
    """Minus the logarithm of likelihood times prior, but for a constant, and its gradient."""
    from scipy.linalg import cho_factor, cho_solve

    decays = list(_decays(parameters, distances))
    kernels = [(1 + scaled) * decayed for scaled, decayed in decays]
    slopes = [scaled**2 * decayed for scaled, decayed in decays]  # by the logarithm of the width
    noise = np.exp(parameters[-1]) * np.eye(len(target))
    try:
        factor = cho_factor(np.sum(kernels, axis=0) + noise, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(parameters)
    weight = cho_solve(factor, target)
    pull = 0.5 * (cho_solve(factor, np.eye(len(target))) - np.outer(weight, weight))
    gradient = [np.vdot(pull, by) for kernel, slope in zip(kernels, slopes, strict=True)
                for by in (2 * kernel, slope)]  # fmt: skip
    away = parameters - prior
    loss = 0.5 * target @ weight + np.log(np.diag(factor[0])).sum() + away @ away / 8
    return float(loss), np.array([*gradient, np.vdot(pull, noise)]) + away / 4


def predict_process(arrays: Arrays, rows: Float) -> Float:
    """The mean label (n,) of each of `rows` (n, d)."""
    ends = arrays["ends"].tolist()
    known, asked = (
        _groups(standardised(arrays, table), ends, arrays["factor"])
        for table in (arrays["rows"], rows)
    )
    distances = [_distances(one, other) for one, other in zip(asked, known, strict=True)]
    kernel = _covariance(arrays["parameters"], distances)
    return np.asarray(kernel @ arrays["weight"] + arrays["base"][0])


def _groups(rows: Float, ends: Sequence[int], factor: Float) -> list[Float]:
    """Groups of columns, each divided by the root of the number of its columns that vary."""
    parts = zip(np.split(rows, ends[:-1], axis=1), np.split(factor, ends[:-1]), strict=True)
    return [part / np.sqrt(max(1, int(np.count_nonzero(own)))) for part, own in parts]


def _distances(one: Float, other: Float) -> Float:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(one, other))


def _covariance(parameters: Float, distances: Sequence[Float]) -> Float:
    """Covariance (n, m), without noise: the sum of a Matern kernel of each group."""
    return np.asarray(
        sum((1 + scaled) * decayed for scaled, decayed in _decays(parameters, distances))
    )


def _decays(parameters: Float, distances: Sequence[Float]) -> Iterator[tuple[Float, Float]]:
    """Scaled distances (n, m) of each group, and its amplitude times what they make of it.

    parameters: for each group the logarithms of the root of its amplitude and of its width.
    """
    for group, distance in enumerate(distances):
        scaled = distance * (ROOT_THREE * np.exp(-parameters[2 * group + 1]))
        yield scaled, np.exp(2 * parameters[2 * group] - scaled)
