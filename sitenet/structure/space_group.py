"""Symmetry of a CIF: its operators, or those of the space group that it names."""

import re
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from sitenet.structure.cif_syntax import MISSING, Block
from sitenet.structure.plain_number import plain_number
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.symmetry_operators import (
    IDENTITY,
    Array,
    Operators,
    as_group,
    combined,
    fit_cell,
    parse_operators,
    same,
)

OPERATORS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
MAGNETIC = "_space_group_symop_magn_operation_xyz"
CENTRING = "_space_group_symop_magn_centering_xyz"
SYMBOLS = ("_symmetry_space_group_name_h-m", "_symmetry_space_group_name_h_m",
           "_space_group_name_h-m_alt", "_space_group_name_h-m_full",
           "_space_group_name_hall", "_symmetry_space_group_name_hall")  # fmt: skip
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")

_STARTS = (1, 2, 3, 10, 16, 47, 75, 83, 89, 123, 143, 147, 149, 162, 168, 175, 177, 191, 195, 200,
           207, 221, 231)  # fmt: skip
_ORDERS = (1, 2, 2, 4, 4, 8, 4, 8, 8, 16, 3, 6, 6, 12, 6, 12, 12, 24, 12, 24, 24, 48)


def point_group_order(number: int) -> int:
    """Order of the point group of a space-group type, 1 to 230."""
    return _ORDERS[bisect_right(_STARTS, number) - 1]


def read_symmetry(block: Block, lattice: Array, notes: list[str]) -> Operators:
    """The symmetry operators of a data block; remarks are added to `notes`.

    Args:
        block: of the crystal.
        lattice: (3, 3) rows a, b, c in A.
        notes: list to add to.

    Raises:
        RejectedCrystal: operators are no operators or no group; or there are none, and the space
            group is unknown, contradictory or does not fit the cell.
    """
    number, symbol = _number(block), _symbol(block)
    operators = _listed(block, notes)
    if operators is not None:
        order = operators.point_group_order
        if number is None and symbol and (order > 1 or not _is_p1(symbol)):
            named = _of_symbol(symbol)
            stated = None if named is None else named.point_group_order
        else:
            stated = None if number is None else point_group_order(number)
        if stated is not None and stated != order:
            group = symbol if number is None else f"number {number}"
            notes.append(
                f"symmetry operators contradict space group {group}: "
                f"{order} rotations in place of {stated}"
            )
        if order > 1 and not fit_cell(operators, lattice):
            notes.append("symmetry operators contradict the cell: its lengths or angles differ")
        return operators
    if number is None and not symbol:
        notes.append("no symmetry given: read as P 1")
        return IDENTITY
    operators = _of_symbol(symbol) if symbol else _of_number(number or 1)
    if operators is None:
        if number is None:
            raise RejectedCrystal(
                f"space group {symbol[:40]} is unknown, and no operators are listed"
            )
        operators = _of_number(number)
    elif number is not None and operators.point_group_order != point_group_order(number):
        raise RejectedCrystal(
            f"space group {symbol[:40]} is not number {number}, and no operators are listed"
        )
    if not fit_cell(operators, lattice):
        raise RejectedCrystal(
            f"the cell does not fit space group {symbol[:40] or number}, "
            "and no operators are listed"
        )
    if len(operators.rotations) > 1:
        notes.append(f"symmetry operators of {symbol[:40] or number} taken from tables")
    return operators


def _listed(block: Block, notes: list[str]) -> Operators | None:
    """The operators that the CIF lists."""
    magnetic = block.column(MAGNETIC)
    if magnetic is not None:
        notes.append("magnetic moments are not read")
        return as_group(_magnetic(magnetic, block.column(CENTRING) or []))
    if any(tag.startswith(("_space_group_magn_", "_space_group_symop_magn_"))
           for tag in block.columns):  # fmt: skip
        raise RejectedCrystal("a magnetic space group without its operators")
    found = [texts for tag in OPERATORS if (texts := block.column(tag)) is not None]
    if not found or all(set(texts) <= set(MISSING) for texts in found):
        return None
    operators = _group(tuple(found[0]))
    for texts in found[1:]:
        if not same(_group(tuple(texts)), operators):
            raise RejectedCrystal("the CIF lists symmetry operators twice, and they differ")
    return operators


@lru_cache(maxsize=100)
def _group(texts: tuple[str, ...]) -> Operators:
    return as_group(parse_operators(_joined(texts)))


def _joined(texts: Sequence[str]) -> list[str]:
    """Operators that were written without quotes, in several words: x, y, z."""
    joined: list[str] = []
    for text in texts:
        if joined and joined[-1].endswith(","):
            joined[-1] += text
        else:
            joined.append(text)
    return joined


def _magnetic(texts: list[str], centring: list[str]) -> Operators:
    """Operators with a fourth part, the reversal of time, that does not move atoms."""
    spatial = []
    for text in (*texts, *centring):
        parts = text.replace(" ", "").rsplit(",", 1)
        if len(parts) != 2 or parts[1] not in ("1", "+1", "-1"):
            raise RejectedCrystal(f"{text[:60]!r} is not a magnetic symmetry operator")
        spatial.append(parts[0])
    own = parse_operators(spatial[: len(texts)])
    return combined(parse_operators(spatial[len(texts) :]), own) if centring else own


def _number(block: Block) -> int | None:
    for tag in NUMBERS:
        if text := block.value(tag):
            value = plain_number(text)
            if value is None or value not in range(1, 231):
                raise RejectedCrystal(f"{text[:40]} is not the number of a space group (1 to 230)")
            return int(value)
    return None


def _symbol(block: Block) -> str:
    """The first symbol that is given, of those that are known if one is."""
    given = [value for tag in SYMBOLS if (value := block.value(tag))]
    if len(given) > 1:
        given.sort(key=lambda symbol: not _is_p1(symbol) and _of_symbol(symbol) is None)
    return given[0] if given else ""


def _is_p1(symbol: str) -> bool:
    return re.sub(r"[\s_]", "", symbol).upper() in ("P1", "PP1")


@lru_cache(maxsize=1000)
def _of_number(number: int) -> Operators:
    """Operators of a space-group type in its standard setting, from pymatgen's tables."""
    from pymatgen.symmetry.groups import SpaceGroup

    return _converted(SpaceGroup.from_int_number(number).symmetry_ops)


@lru_cache(maxsize=1000)
def _of_symbol(symbol: str) -> Operators | None:
    """Operators of a group by its symbol, from pymatgen's tables; None if they lack it."""
    from pymatgen.io.cif import CifBlock, CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parser = CifParser.from_str("data_x\n_y 1\n")
        operations = parser.get_symops(CifBlock({"_symmetry_space_group_name_H-M": symbol}, [], ""))
    unknown = any("Defaulting to P1" in warning for warning in parser.warnings)
    return None if unknown else _converted(operations)


def _converted(operations: Iterable[Any]) -> Operators:
    """Operators of pymatgen in a fixed order, with the identity first."""
    rows = sorted(
        (
            not np.array_equal(operation.rotation_matrix, np.eye(3)),
            np.rint(operation.rotation_matrix).astype(int).ravel().tolist(),
            (operation.translation_vector % 1).tolist(),
        )
        for operation in operations
    )
    rotations = np.array([rotation for _, rotation, _ in rows]).reshape(-1, 3, 3)
    return as_group(Operators(rotations, np.array([translation for *_, translation in rows])))
