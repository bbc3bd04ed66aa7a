"""Numbers as files have them. `float` takes more: 1_0.5, digits of other scripts, nan."""

import re
from collections.abc import Sequence

_DIGITS = r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"
_NUMBER = re.compile(_DIGITS)
_NUMBERS = re.compile(rf"(?:{_DIGITS}\n)*+")
_UNCERTAINTY = re.compile(r"\([0-9]+\)$")


def plain_number(text: str) -> float | None:
    """The number, in ASCII digits with a decimal point; None for any other text.

    A number beyond the range of a double is infinite.
    """
    return float(text) if _NUMBER.fullmatch(text) else None


def measured_number(text: str) -> float | None:
    """As `plain_number`, also with a standard uncertainty in brackets: 5.431(2)."""
    return plain_number(_UNCERTAINTY.sub("", text) if text.endswith(")") else text)


def plain_numbers(texts: Sequence[str]) -> list[float] | None:
    """All of them by `plain_number`; None if a text is no number."""
    if _NUMBERS.fullmatch("\n".join((*texts, ""))):
        try:
            return [float(text) for text in texts]
        except ValueError:  # a text of several lines
            pass
    return None
