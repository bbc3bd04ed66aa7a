"""The value of a label from a cell of a table."""

from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import numpy as np

from sitenet.structure.plain_number import plain_number
from sitenet.structure.text import decoded

MISSING = ("", "nan", "na", "n/a", "null", "none")
"""Texts of cells without a value, in lower or upper case."""

_TRUTH = {"true": 1.0, "false": 0.0}


class UnreadableLabel(ValueError):
    """A cell holds something else than a number; the message says what."""


def label_value(cell: Any) -> float | None:
    """The number in a cell; None if the cell is empty or NaN. True and false are 1 and 0.

    Args:
        cell: text (bytes: UTF-8, else Latin-1), a number, a boolean or None.

    Raises:
        UnreadableLabel: it is no finite number: `1,5`, `3 eV`, `1_000`, `inf`, a list.
    """
    if isinstance(cell, bytes):
        cell = decoded(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in MISSING:
            return None
        number = _TRUTH.get(text.lower(), plain_number(text))
    elif cell is None:
        return None
    elif isinstance(cell, bool | int | float | Decimal | np.number):
        number = _as_float(cell)
        if isnan(number):
            return None
    else:
        number = None
    if number is None:
        raise UnreadableLabel(f"{str(cell).strip()[:40]!r} is not a number")
    if not isfinite(number):
        raise UnreadableLabel(f"{str(cell).strip()[:40]!r} is not a finite number")
    return number


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except (OverflowError, ValueError):
        return float("inf")
