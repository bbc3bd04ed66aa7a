"""Numbers as files have them. `float` takes more: 1_0.5, digits of other scripts, nan."""

import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNCERTAINTY = re.compile(r"\([0-9]+\)$")


def plain_number(text: str) -> float | None:
    """The number, in ASCII digits with a decimal point; None for any other text.

    A number beyond the range of a double is infinite.
    """
    return float(text) if _NUMBER.fullmatch(text) else None


def measured_number(text: str) -> float | None:
    """As `plain_number`, also with a standard uncertainty in brackets: 5.431(2)."""
    return plain_number(_UNCERTAINTY.sub("", text) if text.endswith(")") else text)
