"""From CIF text to a validated crystal, or the reason why it cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from sitenet.structure.atom_sites import has_sites, read_sites
from sitenet.structure.cell import CELL, lattice_from_parameters
from sitenet.structure.cif_syntax import Block, parse_blocks
from sitenet.structure.elements import ISOTOPES, elements
from sitenet.structure.limits import check_density
from sitenet.structure.overlapping_atoms import heights, overlapping_pair
from sitenet.structure.plain_number import measured_number
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.space_group import read_symmetry
from sitenet.structure.stated_formula import formula_notes
from sitenet.structure.symmetry_images import Array, with_images
from sitenet.structure.text import decoded

CLOSEST = 0.5
"""Atoms closer than this, in A, are considered an error in the file."""

THINNEST = 0.01
"""Smallest height of a cell, in A."""

LARGEST_Z = 99
"""Largest supported atomic number."""

LARGEST_FILE = 2**24
"""Bytes of a CIF."""


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
    """What was changed when reading, and what in the CIF contradicts the crystal; else empty."""


def read_cif(text: str | bytes) -> Crystal:
    """Read and validate one crystal.

    All sites of the cell are returned in order of electronegativity, with the lattice of pymatgen's
    `Lattice.from_parameters`. Fractions within 1e-4 of 1/3 or 2/3 are replaced by these values.
    What is accepted, noted and refused is listed in docs/own_crystals.md.

    Args:
        text: CIF text; bytes are decoded as UTF-8, else as Latin-1.

    Raises:
        RejectedCrystal: the text is empty, too large or malformed; it holds no or several
            structures; partial occupancy; unknown or too heavy elements; atoms without positions;
            symmetry operators that are none; a cell that is not finite, has no volume or exceeds
            the limits of `sitenet.structure.limits`; atoms closer than 0.5 A, periodic images
            included.
    """
    block = _structure(parse_blocks(_lines(text)))
    lattice = _lattice(block)
    sites = read_sites(block)
    number = {symbol: _number(symbol) for symbol in set(sites.symbols)}
    notes = sites.notes
    _check_modulation(block)
    operators = read_symmetry(block, lattice, notes)
    height = heights(lattice)
    if not height.min() >= THINNEST:
        raise RejectedCrystal(f"the cell has no volume (it is {height.min():.2g} A thick)")
    frac, origin = with_images(sites.frac, operators)
    check_density(len(frac), abs(float(np.linalg.det(lattice))))
    order = _in_order(sites.symbols, sites.charges, origin)
    frac, origin = frac[order], origin[order]
    if pair := overlapping_pair(lattice, frac, height, CLOSEST):
        first, second, distance = pair
        labels = (sites.labels[origin[first]], sites.labels[origin[second]])
        raise RejectedCrystal(_overlap(first == second, labels, distance))
    symbols = [sites.symbols[k] for k in origin.tolist()]
    notes += formula_notes(block, symbols)
    for isotope in ISOTOPES:
        if heavy := symbols.count(isotope):
            notes.append(f"{heavy} {isotope} read as H")
    return Crystal(
        lattice=lattice,
        numbers=np.array([number[symbol] for symbol in symbols], dtype=np.int64),
        frac=frac,
        oxidation=np.array(sites.charges, dtype=np.float64)[origin],
        note="; ".join(notes),
    )


def _lines(text: str | bytes) -> str:
    """Text with line feeds at the ends of its lines."""
    if not isinstance(text, str | bytes):
        raise RejectedCrystal("the CIF is not text")
    if len(text) > LARGEST_FILE:
        raise too_large(len(text))
    if isinstance(text, bytes):
        text = decoded(text)
    text = text.removeprefix("\ufeff").rstrip("\x1a")  # the end of a file in DOS
    if not text.strip():
        raise RejectedCrystal("the CIF is empty")
    if "\0" in text:
        raise RejectedCrystal("the file is not text: it holds a NUL character")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def too_large(size: int) -> RejectedCrystal:
    """The rejection of a CIF of `size` bytes."""
    return RejectedCrystal(
        f"the CIF has {size / 2**20:,.0f} MiB (at most {LARGEST_FILE / 2**20:.0f})"
    )


def _structure(blocks: Sequence[Block]) -> Block:
    """The only data block that lists sites."""
    found = [block for block in blocks if has_sites(block)]
    if not found:
        raise RejectedCrystal("the CIF lists no atom sites")
    if len(found) > 1:
        raise RejectedCrystal(f"the CIF holds {len(found)} structures (data blocks); give one")
    return found[0]


def _lattice(block: Block) -> Array:
    cell = []
    for tag in CELL:
        text = block.value(tag)
        if not text:
            raise RejectedCrystal(f"the CIF lacks {tag}")
        value = measured_number(text)
        if value is None:
            name = tag.removeprefix("_cell_").replace("_", " ")
            raise RejectedCrystal(f"the cell's {name} is not a number: {text[:40]}")
        cell.append(value)
    return lattice_from_parameters(*cell)


def _check_modulation(block: Block) -> None:
    """Raise for a modulated structure, of which the sites are only the average."""
    if any(tag.startswith(("_cell_modulation_dim", "_cell_wave_vector", "_space_group_ssg"))
           for tag in block.columns):  # fmt: skip
        raise RejectedCrystal("the structure is modulated")


def _in_order(symbols: Sequence[str], charges: Sequence[float], origin: Array) -> Array:
    """Indices of the images in pymatgen's order: by electronegativity, symbol and charge."""

    def rank(atom: tuple[str, float]) -> tuple[float, str, float]:
        value = elements()[atom[0]].electronegativity
        return (inf if isnan(value) else value, *atom)

    atoms = list(zip(symbols, charges, strict=True))
    place = {atom: k for k, atom in enumerate(sorted(set(atoms), key=rank))}
    places = np.array([place[atom] for atom in atoms])
    return np.argsort(places[origin], kind="stable")


def _number(symbol: str) -> int:
    element = elements()[symbol]
    if element.number > LARGEST_Z:
        raise RejectedCrystal(
            f"{symbol} (Z = {element.number}) is too heavy: "
            f"elements up to Z = {LARGEST_Z} are supported"
        )
    return element.number


def _overlap(alone: bool, labels: tuple[str, str], distance: float) -> str:
    if alone:
        what = f"the cell repeats after {distance:.2g} A: each atom overlaps its own image"
    else:
        what = f"atoms {labels[0]} and {labels[1]} are {distance:.2f} A apart"
    return f"{what} (less than {CLOSEST} A)"
