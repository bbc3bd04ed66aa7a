"""Symmetry operators of a CIF such as x, -y, z+1/2: parsed, and checked to form a group."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sitenet.structure.rejection import RejectedCrystal

Array = np.ndarray[Any, np.dtype[Any]]

LARGEST_GROUP = 500
"""Most operators; space groups have up to 192 per cell."""

SAME_TRANSLATION = 0.002
"""Translations, as fractions of the cell, that differ less are equal: 0.333 is 1/3."""

_TERM = re.compile(
    r"([+-])(?:([xyz])|([0-9]{1,3})/([0-9]{1,2})|([0-9]{0,2}\.[0-9]{1,12}|[0-9]{1,2}\.?))"
)
_USUAL = np.arange(25) / 24


class Operators(NamedTuple):
    """m symmetry operators."""

    rotations: Array
    """(m, 3, 3) integers -1, 0, 1."""
    translations: Array
    """(m, 3) float64 in [0, 1)."""

    @property
    def point_group_order(self) -> int:
        """Number of different rotations."""
        if len(self.rotations) == 1:
            return 1
        return len(np.unique(self.rotations.reshape(-1, 9), axis=0))


IDENTITY = Operators(np.eye(3, dtype=np.int64)[None], np.zeros((1, 3)))


def parse_operators(texts: Sequence[str]) -> Operators:
    """Operators in the order of `texts`. Raises RejectedCrystal if a text is none."""
    if len(texts) > LARGEST_GROUP:
        raise RejectedCrystal(f"the CIF has {len(texts)} symmetry operators (at most 192 differ)")
    parsed = [_operator(text) for text in texts]
    return Operators(np.array([r for r, _ in parsed]), np.array([t for _, t in parsed]))


def combined(first: Operators, second: Operators) -> Operators:
    """All products of two lists, as those of point operations and centring translations."""
    rotations = np.einsum("aij,bjk->abik", first.rotations, second.rotations)
    moved = np.einsum("aij,bj->abi", first.rotations, second.translations)
    translations = (moved + first.translations[:, None]) % 1
    return Operators(rotations.reshape(-1, 3, 3), translations.reshape(-1, 3))


def as_group(operators: Operators) -> Operators:
    """The different operators, in their order. Raises RejectedCrystal if they form no group."""
    code = _codes(operators)
    first = np.sort(np.unique(code, return_index=True)[1])
    own = Operators(operators.rotations[first], operators.translations[first])
    if not np.isin(_codes(combined(own, own)), code).all():
        raise RejectedCrystal("the symmetry operators are no group: one is missing or wrong")
    return own


def same(first: Operators, second: Operators) -> bool:
    """Whether two lists hold the same operators in any order."""
    return set(_codes(first).tolist()) == set(_codes(second).tolist())


def fit_cell(operators: Operators, lattice: Array, tolerance: float = 0.02) -> bool:
    """Whether the rotations leave the metric of the cell as it is, but for a relative tolerance."""
    metric = lattice @ lattice.T
    rotations = operators.rotations
    turned = np.einsum("mji,jk,mkl->mil", rotations, metric, rotations)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    return bool((np.abs(turned - metric) <= tolerance * scale).all())


@lru_cache(maxsize=10_000)
def _operator(text: str) -> tuple[Array, Array]:
    """Rotation (3, 3) and translation (3,) of one operator."""
    parts = text.lower().replace(" ", "").replace("\t", "").split(",")
    if len(parts) != 3:
        raise RejectedCrystal(f"symmetry operator {_short(text)} has {len(parts)} parts, not three")
    rotation, translation = np.zeros((3, 3), dtype=np.int64), np.zeros(3)
    for row, part in enumerate(parts):
        signed = part if part[:1] in ("+", "-") else f"+{part}"
        end = 0
        while end < len(signed):
            term = _TERM.match(signed, end)
            if term is None or (term[2] and rotation[row, "xyz".index(term[2])]):
                raise _not_read(text)
            end = term.end()
            sign = -1 if term[1] == "-" else 1
            if term[2]:
                rotation[row, "xyz".index(term[2])] = sign
            elif term[3]:
                if int(term[4]) == 0:
                    raise _not_read(text)
                translation[row] += sign * float(Fraction(int(term[3]), int(term[4])))
            else:
                translation[row] += sign * float(term[5])
    if round(abs(float(np.linalg.det(rotation)))) != 1:
        raise RejectedCrystal(f"symmetry operator {_short(text)} does not keep volumes")
    return rotation, _usual(translation % 1)


def _usual(translation: Array) -> Array:
    """Decimals such as 0.3333 as the multiples of 1/24 that they stand for."""
    nearest = _USUAL[np.rint(translation * 24).astype(int)]
    return np.where(np.abs(translation - nearest) <= SAME_TRANSLATION, nearest, translation) % 1


def _codes(operators: Operators) -> Array:
    """A number for each operator, equal if rotation and translation (to 1/48) are."""
    rotation = (operators.rotations.reshape(-1, 9) + 1) @ 3 ** np.arange(9)
    steps = np.floor(operators.translations * 48 + 0.5).astype(np.int64) % 48
    # Products of rotations beyond -1, 0, 1 have no operator; they get a code of their own.
    beyond = np.abs(operators.rotations).max(axis=(1, 2)) > 1
    code: Array = np.where(beyond, -1, rotation * 48**3 + steps @ np.array([1, 48, 48**2]))
    return code


def _not_read(text: str) -> RejectedCrystal:
    return RejectedCrystal(f"{_short(text)} is not a symmetry operator")


def _short(text: str) -> str:
    return repr(" ".join(text.split())[:60])
