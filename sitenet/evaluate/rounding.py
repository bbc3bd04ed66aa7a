"""Numbers as they are printed in tables and figures."""

from math import floor, log10


def readable(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and without exponent: 0.0123, 4.57, 1234."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:.{places}f}"


def with_error(value: float, error: float) -> str:
    """`value` ± `error`, both to two digits of the error; without an error only the value."""
    if not error > 0:
        return readable(value)
    places = max(0, 1 - floor(log10(error)))
    return f"{value:.{places}f} ± {error:.{places}f}"


def in_brackets(name: str, unit: str) -> str:
    """A quantity and its unit as they stand at an axis; no unit for labels without dimension."""
    return f"{name} ({unit})" if after_number(unit) else name


def after_number(unit: str) -> str:
    """The unit as it stands after a number: nothing for 1, the unit of labels without dimension."""
    return "" if unit in ("", "1") else f" {unit}"
