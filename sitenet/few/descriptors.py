"""What simple models know of a crystal: Magpie and MEGNet features of its composition, its bonds.

The bonds include the ionic picture: potentials of point charges and bond valences, 0 without
charges.

Magpie (L. Ward et al., doi:10.1038/npjcompumats.2016.28) and the embeddings of the elements of
MEGNet (C. Chen et al., doi:10.1021/acs.chemmater.9b01294) are statistics over the composition by
matminer, which is imported on use, as that takes seconds.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sitenet.crystal.bonds import BOND_FEATURES, PACKING, bond_features
from sitenet.crystal.featurise import MergedCrystal
from sitenet.sources.ionic import IONIC, ionic_numbers
from sitenet.structure.formula import reduced_formula

Float = NDArray[np.float64]

COMPOSITION, BONDS = "composition", "bonds"
"""Names of the two groups. Density and packing are in both."""


class Described(NamedTuple):
    """Groups of descriptors (n, d) by name; `problems` (n,) of crystals without, else empty."""

    groups: dict[str, Float]
    problems: list[str]


def describe(crystals: Sequence[MergedCrystal]) -> Described:
    """Descriptors of crystals. Rows of those with a problem are NaN.

    On one thread, as the last digit of potentials depends on how many there are.
    """
    composition, bonds, problems = [], [], []
    with threadpool_limits(1):
        described = [_one(crystal) for crystal in crystals]
    for own, problem in described:
        packing = own[BONDS][[BOND_FEATURES.index(name) for name in PACKING]]
        composition.append(np.concatenate([own[COMPOSITION], packing]))
        bonds.append(own[BONDS])
        problems.append(problem)
    widths = (len(labels) for labels in names().values())
    groups = {
        name: np.reshape(rows, (len(crystals), width))
        for name, rows, width in zip(
            (COMPOSITION, BONDS), (composition, bonds), widths, strict=True
        )
    }
    return Described(groups, problems)


def names() -> dict[str, list[str]]:
    """Names of the descriptors of each group."""
    return {COMPOSITION: [*_labels(), *PACKING], BONDS: [*BOND_FEATURES, *IONIC]}


def _one(crystal: MergedCrystal) -> tuple[dict[str, Float], str]:
    found = {COMPOSITION: np.full(len(_labels()), np.nan),
             BONDS: np.full(len(BOND_FEATURES) + len(IONIC), np.nan)}  # fmt: skip
    try:
        with warnings.catch_warnings(action="ignore"):  # about elements without a property
            found[COMPOSITION] = _of_formula(reduced_formula(crystal.numbers))
            with np.errstate(all="ignore"):
                found[BONDS] = np.append(bond_features(crystal), _ionic(crystal))
    except Exception as error:  # of elements that tables lack, various types
        return found, f"no descriptors: {type(error).__name__}: {error}"[:200]
    lacking = [name for name, values in found.items() if not np.isfinite(values).all()]
    return found, f"its {' and '.join(lacking)} descriptors are not finite" if lacking else ""


def _ionic(crystal: MergedCrystal) -> Float:
    """Potentials and valences, 0 where there are none: in a crystal without charges they are."""
    found = ionic_numbers(crystal)
    return np.where(np.isfinite(found), found, 0.0)


@cache
def _of_formula(formula: str) -> Float:
    from pymatgen.core import Composition

    composition = Composition(formula)
    parts = [featurizer.featurize(composition) for featurizer in _featurizers()]
    return np.concatenate(parts).astype(np.float64)


@cache
def _labels() -> list[str]:
    return [label for featurizer in _featurizers() for label in featurizer.feature_labels()]


@cache
def _featurizers() -> tuple[Any, ...]:
    with warnings.catch_warnings(action="ignore"):
        from matminer.featurizers.composition import ElementProperty

        return tuple(ElementProperty.from_preset(name) for name in ("magpie", "megnet_el"))
