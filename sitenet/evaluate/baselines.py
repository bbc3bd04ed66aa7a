"""Baselines that a model has to beat: predictions that know nothing of the structure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse

Float = NDArray[np.float64]

RIDGE = 1e-3
"""Penalty of the composition model; only there to keep elements apart that always go together."""


def baselines(
    train_formulas: Sequence[str],
    train_targets: Float,
    test_formulas: Sequence[str],
    test_targets: Float,
) -> dict[str, float]:
    """Test MAE, in the label's unit, of predictions without a structure.

    mean, median: of the training labels. formula: mean label of the training crystals of the same
    reduced formula, else the mean of all (so it equals `mean` on a split grouped by formula).
    composition: ridge regression on the fractions of the elements. Formulas are reduced ones.
    Raises ValueError without training or test crystals.
    """
    # Imported here: at the start of a training it would take as long as PyTorch's.
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
    """(n, 119) share of each element among the atoms of each formula; columns by atomic number."""
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
