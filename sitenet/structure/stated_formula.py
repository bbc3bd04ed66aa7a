"""The formula that a CIF states, compared with the atoms that it lists."""

import re
from collections import Counter
from collections.abc import Sequence

from sitenet.structure.cif_syntax import Block
from sitenet.structure.elements import ISOTOPES, elements
from sitenet.structure.plain_number import measured_number

_ENTRY = re.compile(r"([A-Z][a-z]?)([0-9]*\.?[0-9]*)")
_CHARGE = re.compile(r"\s[0-9]*[+-]$")
_SAME = 1e-6


def formula_notes(block: Block, symbols: Sequence[str]) -> list[str]:
    """What in the formula or the number of formula units contradicts the atoms of the cell.

    Heavy hydrogen counts as H. The formula may be that of the cell or of a formula unit, and
    rounded numbers may differ in the last digit.
    """
    for tag in ("_chemical_formula_sum", "_cell_formula_units_z"):
        if tag in block.faults:
            return [f"formula not compared: {block.faults[tag]}"]
    stated = block.value("_chemical_formula_sum")
    if not stated:
        return []
    stated = " ".join(stated.split())
    formula = _parsed(stated)
    if formula is None:
        return [f"_chemical_formula_sum is not understood: {stated[:80]}"]
    found = Counter(symbols)
    for isotope in ISOTOPES:
        if heavy := found.pop(isotope, 0):
            found["H"] += heavy
    present = {symbol for symbol, (_, highest) in formula.items() if highest > _SAME}
    units = _units(formula, found) if present == set(found) else None
    if units is None:
        cell = " ".join(f"{s}{found[s]}" for s in sorted(found))
        return [
            "the composition contradicts _chemical_formula_sum "
            f"({stated[:80]}, in the cell {cell[:80]})"
        ]
    given = measured_number(block.value("_cell_formula_units_z")) or None
    if _fits(formula, units, given):
        return []
    return [
        "the cell contradicts the number of formula units "
        f"({sum(units) / 2:.3g} times {stated[:80]}, Z {given or 'not given'})"
    ]


def _fits(
    formula: dict[str, tuple[float, float]], units: tuple[float, float], given: float | None
) -> bool:
    """Whether the cell holds a number of formula units that its Z allows.

    Some programs state the formula of the cell beside the number of smaller units in it.
    """
    lowest, highest = units[0] - _SAME, units[1] + _SAME
    if given is None:
        return max(round(lowest), round(highest)) >= 1 and any(
            lowest <= n <= highest for n in (round(lowest), round(highest))
        )
    whole_cell = lowest <= 1 <= highest and all(low % given == 0 for low, _ in formula.values())
    return whole_cell or lowest <= given <= highest


def _units(
    formula: dict[str, tuple[float, float]], found: Counter[str]
) -> tuple[float, float] | None:
    """Range of the number of formula units in the cell; None if no number fits all elements."""
    if any(highest <= 0 for _, highest in formula.values()):
        return None
    least = max(count / formula[symbol][1] for symbol, count in found.items())
    most = min(count / max(formula[symbol][0], 1e-9) for symbol, count in found.items())
    return (least, most) if least <= most * (1 + _SAME) else None


def _parsed(formula: str) -> dict[str, tuple[float, float]] | None:
    """Lowest and highest number of each element; None if the text is no formula."""
    counts: dict[str, tuple[float, float]] = {}
    rest = _CHARGE.sub("", formula).replace(" ", "\n")
    position = 0
    while position < len(rest):
        if rest[position] == "\n":
            position += 1
            continue
        entry = _ENTRY.match(rest, position)
        if entry is None or entry[1] not in elements() or entry[2] == ".":
            return None
        position = entry.end()
        number = float(entry[2] or 1)
        decimals = len(entry[2].partition(".")[2])
        half = 0.5 * 10.0**-decimals if decimals else 0.0
        symbol = "H" if entry[1] in ISOTOPES else entry[1]
        low, high = counts.get(symbol, (0.0, 0.0))
        counts[symbol] = (low + number - half, high + number + half)
    return counts or None
