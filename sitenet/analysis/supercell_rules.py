"""Summaries that compare the two supercell rules: ours and that of the published code."""

from typing import get_args

import pandas as pd

from sitenet.options.features import Supercell

RULES: tuple[Supercell, ...] = get_args(Supercell)
"""`supercell` option of the features: `optimal` is ours, `greedy` that of the published code."""

TOLERANCE = 1e-4
"""Changes of a prediction up to this value, in the label's unit, count as none."""


def summarise_invariance(changes: pd.DataFrame) -> pd.DataFrame:
    """Rows by rule and change of the description, from the table of `write_invariance`.

    Columns: supercell, change, crystals, largest and mean (of |delta|), changed_share (fraction of
    crystals with |delta| > TOLERANCE).
    """
    rows = changes.assign(size=changes.delta.abs()).groupby(["supercell", "change"], sort=False)
    return (
        rows["size"]
        .agg(
            crystals="size",
            largest="max",
            mean="mean",
            changed_share=lambda size: (size > TOLERANCE).mean(),
        )
        .reset_index()
    )


def summarise_supercells(cells: pd.DataFrame) -> pd.DataFrame:
    """Rows by rule, from the table of `write_supercells`: means and worst values.

    Only crystals whose primitive cell fits (filling <= 1) are counted.
    """
    rows = cells[cells.filling <= 1].groupby("supercell", sort=False)
    return rows.agg(
        crystals=("id", "size"),
        median_sites=("n_sites", "median"),
        mean_filling=("filling", "mean"),
        worst_filling=("filling", "min"),
        mean_cubicness=("cubicness", "mean"),
        worst_cubicness=("cubicness", "min"),
        mean_elongation=("elongation", "mean"),
        worst_elongation=("elongation", "max"),
    ).reset_index()
