"""Numbers of any distribution as targets of a network."""

import numpy as np
from numpy.typing import NDArray


def normal_scores(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Columns (n, T) as quantiles of the normal distribution by their ranks; NaN stays.

    So heavy tails and units do not matter. Equal values have equal scores, of their mean rank.
    """
    from scipy.special import ndtri  # slow to import
    from scipy.stats import rankdata

    scores = np.full(values.shape, np.nan, dtype=np.float32)
    for column, score in zip(values.T, scores.T, strict=True):
        known = ~np.isnan(column)
        if known.any():
            score[known] = ndtri((rankdata(column[known]) - 0.5) / known.sum())
    return scores
