"""From CIF text to a validated crystal, or the reason why it cannot be used."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sitenet.structure.elements import ISOTOPES, elements
from sitenet.structure.overlapping_atoms import heights, overlapping_pair
from sitenet.structure.plain_cif import Array, ParsedCif, parse_plain
from sitenet.structure.rejection import RejectedCrystal

CLOSEST = 0.5
"""Atoms closer than this, in A, are considered an error in the file."""

THINNEST = 0.01
"""Smallest height of a cell, in A."""

LARGEST_Z = 99
"""Largest supported atomic number."""


@dataclass(frozen=True)
class Crystal:
    """An ordered crystal of n sites."""

    lattice: Array
    """(3, 3) float64 rows a, b, c in A."""
    numbers: Array
    """(n,) int64 atomic numbers."""
    frac: Array
    """(n, 3) float64 fractional positions in [0, 1)."""
    oxidation: Array
    """(n,) float64 oxidation states given in the CIF; 0 where there is none."""
    note: str = ""
    """What was changed when reading; empty if nothing."""


def read_cif(text: str | bytes) -> Crystal:
    """Read and validate one crystal.

    Plain CIFs are read by a fast parser (`sitenet.structure.plain_cif`), all others by pymatgen's
    `CifParser`. Both return all sites of the cell in order of electronegativity, the lattice of
    pymatgen's `Lattice.from_parameters`, and replace fractions within 1e-4 of 1/3 or 2/3 by these
    values.

    Args:
        text: CIF text; bytes are decoded as UTF-8.

    Raises:
        RejectedCrystal: the text is not UTF-8, empty or malformed; it holds no or several
            structures; partial occupancy; unknown or too heavy elements; hydrogens without
            positions; a cell that is not finite or has no volume; atoms closer than 0.5 A, periodic
            images included.
    """
    text = _decoded(text)
    parsed = parse_plain(text)
    if parsed is None:
        from sitenet.structure.general_cif import parse_general

        parsed = parse_general(text)
    return _checked(parsed)


def _decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = text[error.start]
            raise RejectedCrystal(
                f"the file is not UTF-8 text (byte 0x{byte:02x} at position {error.start})"
            ) from None
    if not text.strip():
        raise RejectedCrystal("the CIF is empty")
    return text.removeprefix("\ufeff")


def _checked(parsed: ParsedCif) -> Crystal:
    """The crystal, if its elements, cell and distances are valid."""
    number = {symbol: _number(symbol) for symbol in set(parsed.symbols)}
    finite = np.isfinite(parsed.frac).all(axis=1)
    if not finite.all():
        label = parsed.labels[int(finite.argmin())]
        raise RejectedCrystal(f"the position of {label} is not finite")
    height = heights(parsed.lattice)
    thickness = height.min()
    if not thickness >= THINNEST:
        raise RejectedCrystal(f"the cell has no volume (it is {thickness:.2g} A thick)")
    frac = parsed.frac - np.floor(parsed.frac)
    frac[frac == 1.0] = 0.0
    if pair := overlapping_pair(parsed.lattice, frac, height, CLOSEST):
        raise RejectedCrystal(_overlap(*pair, parsed.labels))
    isotopes = Counter(symbol for symbol in parsed.symbols if symbol in ISOTOPES)
    return Crystal(
        lattice=parsed.lattice,
        numbers=np.array([number[symbol] for symbol in parsed.symbols], dtype=np.int64),
        frac=frac,
        oxidation=np.array(parsed.charges, dtype=np.float64),
        note="; ".join(f"{n} {symbol} read as H" for symbol, n in sorted(isotopes.items())),
    )


def _number(symbol: str) -> int:
    element = elements().get(symbol)
    if element is None:
        raise RejectedCrystal(f"{symbol} is not an element")
    if element.number > LARGEST_Z:
        raise RejectedCrystal(
            f"{symbol} (Z = {element.number}) is too heavy: "
            f"elements up to Z = {LARGEST_Z} are supported"
        )
    return element.number


def _overlap(first: int, second: int, distance: float, labels: list[str]) -> str:
    if first == second:
        what = f"the cell repeats after {distance:.2g} A: each atom overlaps its own image"
    else:
        what = f"atoms {labels[first]} and {labels[second]} are {distance:.2f} A apart"
    return f"{what} (less than {CLOSEST} A)"
