"""Baselines for a model: predictions that do not use the structure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse

Float = NDArray[np.float64]

RIDGE = 1e-3
"""Penalty of the composition model, needed only for elements that always occur together."""


def baselines(
    train_formulas: Sequence[str],
    train_targets: Float,
    test_formulas: Sequence[str],
    test_targets: Float,
) -> dict[str, float]:
    """Test MAE, in the label's unit, of predictions that do not use the structure.

    mean, median: of the training labels. formula: mean label of the training crystals with the same
    reduced formula, or of all if there are none (equal to `mean` for a split grouped by formula).
    composition: ridge regression on the element fractions. Formulas are reduced formulas. Raises
    ValueError without training or test crystals.
    """
    # Imported on use: importing it at the start would take as long as importing PyTorch.
    from sklearn.linear_model import Ridge

    if len(train_targets) == 0 or len(test_targets) == 0:
        raise ValueError("baselines need training and test crystals")
    train_targets = np.asarray(train_targets, dtype=np.float64)
    mean = train_targets.mean()
    by_formula = pd.Series(train_targets).groupby(np.asarray(train_formulas)).mean()
    same = by_formula.reindex(list(test_formulas)).fillna(mean).to_numpy()
    model = Ridge(alpha=RIDGE).fit(element_fractions(train_formulas), train_targets)
    predictions = {
        "mean": mean,
        "median": np.median(train_targets),
        "formula": same,
        "composition": model.predict(element_fractions(test_formulas)),
    }
    return {
        name: float(np.abs(np.asarray(test_targets) - prediction).mean())
        for name, prediction in predictions.items()
    }


def element_fractions(formulas: Sequence[str]) -> "sparse.csr_matrix":
    """Fraction of each element in each formula: (n, 119), columns by atomic number."""
    from pymatgen.core import Composition
    from scipy import sparse

    unique, of_unique = np.unique(list(formulas), return_inverse=True)
    rows, columns, values = [], [], []
    for row, formula in enumerate(unique):
        composition = Composition(formula).fractional_composition
        for element, fraction in composition.items():
            rows.append(row)
            columns.append(element.Z)
            values.append(fraction)
    table = sparse.csr_matrix((values, (rows, columns)), shape=(len(unique), 119))
    return table[of_unique]
