"""How far merged pairs are from the full matrix of distances."""

import numpy as np

from sitenet.crystal.merging import MergedPairs


def rows_of(merged: MergedPairs) -> list[tuple]:
    """(class, distance, count) of each row's pairs."""
    cuts = np.cumsum(merged.row_length)[:-1]
    return list(
        zip(
            np.split(merged.pair_class, cuts),
            np.split(merged.pair_distance, cuts),
            np.split(merged.pair_count, cuts),
            strict=True,
        )
    )


def largest_error(merged: MergedPairs, distances: np.ndarray, images: int) -> float:
    """Largest difference in A between merged pairs and the full matrix of distances."""
    columns = np.repeat(merged.site_class, images)
    rows, worst = rows_of(merged), 0.0
    for site, row in enumerate(distances):
        classes, middle, count = rows[merged.site_class[site]]
        for one in np.unique(columns):
            expected = np.sort(row[columns == one])
            here = classes == one
            found = np.sort(np.repeat(middle[here], count[here]))
            assert len(found) == len(expected)
            worst = max(worst, abs(found - expected).max())
    return worst
