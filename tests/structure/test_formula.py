"""Reduced formulas."""

import warnings

import numpy as np
import pytest

from sitenet.structure.formula import reduced_formula


@pytest.mark.parametrize(
    ("numbers", "formula"),
    [
        ([3, 3, 8, 8], "Li2O2"),
        ([8, 8, 8], "O2"),
        ([26, 15, 3, 8, 8, 8, 8] * 2, "LiFePO4"),
        ([2, 11, 11], "Na2He"),
    ],
)
def test_formulas_are_those_of_pymatgen_without_its_warnings(
    numbers: list[int], formula: str
) -> None:
    with warnings.catch_warnings(action="error"):
        assert reduced_formula(np.array(numbers)) == formula
