"""Reader of arbitrary CIFs, based on pymatgen's `CifParser`, with explanations of rejections."""

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from sitenet.structure.cell import CELL, check_parameters
from sitenet.structure.elements import elements
from sitenet.structure.plain_cif import ParsedCif
from sitenet.structure.rejection import RejectedCrystal

if TYPE_CHECKING:
    from pymatgen.core import Structure

_BLOCK = re.compile(r"^[ \t]*(?=data_)", re.MULTILINE)
_SITES = re.compile(r"(?:^|\s)_atom_site_fract_x\b")


def parse_general(text: str) -> ParsedCif:
    """Read any CIF, for instance with symmetry operations or uncertainties in brackets.

    Raises:
        RejectedCrystal: see `sitenet.structure.cif.read_cif`.
    """
    from pymatgen.io.cif import CifParser

    text = _only_structure(text.replace("\r\n", "\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text, check_cif=False)
            block = next(iter(parser.as_dict().values()))
        except Exception:  # it raises many types of exceptions, here and below
            raise RejectedCrystal("malformed CIF: one of its loops is empty or cut off") from None
        _check_cell(block)
        _check_symbols(block)
        try:
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
        except Exception as error:
            raise RejectedCrystal(_explanation(error)) from None
        return _ordered(structure)


def _only_structure(text: str) -> str:
    """The only data block that lists sites."""
    blocks = [block for block in _BLOCK.split(text) if block.startswith("data_")]
    if not blocks:
        raise RejectedCrystal("this is not a CIF (it has no data_ block)")
    found = [block for block in blocks if _SITES.search(block)]
    if not found:
        raise RejectedCrystal("the CIF lists no atom sites")
    if len(found) > 1:
        raise RejectedCrystal(f"the CIF holds {len(found)} structures (data blocks); give one")
    return found[0]


def _check_cell(block: dict[str, Any]) -> None:
    """Raise if parameters are missing (without a crystal system to infer them) or impossible."""
    from pymatgen.io.cif import str2float

    missing = [key for key in CELL if key not in block]
    if not missing:
        try:
            cell = [str2float(block[key]) for key in CELL]
        except ValueError as error:
            raise RejectedCrystal(f"the cell cannot be read: {error}") from None
        check_parameters(*cell)
    elif not {"_symmetry_cell_setting", "_space_group_crystal_system"} & set(block):
        raise RejectedCrystal(f"the CIF lacks {missing[0]}")


def _check_symbols(block: dict[str, Any]) -> None:
    """Raise for symbols that CifParser would skip or mistake for another element."""
    symbols = block.get("_atom_site_type_symbol")
    pattern = r"[A-Za-z]+" if symbols else r"[A-Za-z][a-z]?"  # labels have suffixes: FeA, O1W
    symbols = symbols or block.get("_atom_site_label", ())
    for symbol in dict.fromkeys([symbols] if isinstance(symbols, str) else symbols):
        if " + " in symbol:
            raise RejectedCrystal(
                f"a site is shared by {symbol} (partial occupancy is not supported)"
            )
        if re.match("OH|O-H|Wat|wat", symbol):
            raise RejectedCrystal(f"site {symbol} stands for hydrogens that are not listed")
        match = re.match(pattern, symbol)
        if match is None or match[0].title() not in elements():
            raise RejectedCrystal(f"{symbol} is not an element")


def _ordered(structure: "Structure") -> ParsedCif:
    """The sites of the structure, if each of them is occupied by exactly one atom."""
    for site in structure:
        if not site.is_ordered:
            raise RejectedCrystal(
                f"site {site.label} is {_occupants(site.species)} "
                "(partial occupancy is not supported)"
            )
    return ParsedCif(
        lattice=np.array(structure.lattice.matrix),
        symbols=[_symbol(site.specie) for site in structure],
        labels=[site.label for site in structure],
        frac=np.array(structure.frac_coords),
        charges=[float(getattr(site.specie, "oxi_state", 0) or 0) for site in structure],
    )


def _symbol(specie: Any) -> str:
    """Symbol of a species. The name of an element distinguishes D from H; its `symbol` does not."""
    return str(getattr(specie, "element", specie).name)


def _occupants(species: Any) -> str:
    shares = {specie.symbol: float(share) for specie, share in species.items()}
    if len(shares) == 1:
        return f"only {sum(shares.values()):.3g} occupied"
    return "shared by " + " and ".join(f"{share:.3g} {s}" for s, share in shares.items())


def _explanation(error: Exception) -> str:
    """Why CifParser failed, in one line."""
    detail = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    if match := re.search(r"Occupancy ([\d.]+) exceeded", detail):
        return f"the occupancies of a site add up to {float(match[1]):g}"
    if "below threshold" in detail:
        return "the cell has no volume (it is less than 0.01 A thick)"
    if match := re.fullmatch(r"'(_\w+)'", detail):
        return f"the CIF lacks {match[1]}"
    if match := re.search(r"could not convert string to float: (.*)", detail):
        return f"malformed CIF: {match[1][:40]} is not a number"
    return f"malformed CIF: {detail[:160]}"
