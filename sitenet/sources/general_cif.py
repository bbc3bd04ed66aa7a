"""A reader of any CIF, by pymatgen's `CifParser`, that explains what it cannot use."""

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from sitenet.sources.cell import CELL, check_parameters
from sitenet.sources.elements import elements
from sitenet.sources.plain_cif import ParsedCif
from sitenet.sources.records import RejectedCrystal

if TYPE_CHECKING:
    from pymatgen.core import Structure

_BLOCK = re.compile(r"^[ \t]*(?=data_)", re.MULTILINE)
_SITES = re.compile(r"^\s*_atom_site_fract_x\b", re.MULTILINE)


def parse_general(text: str) -> ParsedCif:
    """Read a CIF with symmetry operations, uncertainties in brackets and the like.

    Raises:
        RejectedCrystal: see `sitenet.sources.cif.read_cif`.
    """
    from pymatgen.io.cif import CifParser

    text = _only_structure(text.replace("\r\n", "\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text, check_cif=False)
            block = next(iter(parser.as_dict().values()))
            _check_block(block)
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
        except RejectedCrystal:
            raise
        except Exception as error:  # it raises whatever its own code runs into
            raise RejectedCrystal(_explanation(error)) from None
        return _ordered(structure)


def _only_structure(text: str) -> str:
    """The one data block that lists sites."""
    blocks = [block for block in _BLOCK.split(text) if block.startswith("data_")]
    if not blocks:
        raise RejectedCrystal("this is not a CIF (it has no data_ block)")
    found = [block for block in blocks if _SITES.search(block)]
    if not found:
        raise RejectedCrystal("the CIF lists no atom sites")
    if len(found) > 1:
        raise RejectedCrystal(f"the CIF holds {len(found)} structures (data blocks); give one")
    return found[0]


def _check_block(block: dict[str, Any]) -> None:
    """Raise for what CifParser would silently misread: cell, symbols, lacking hydrogens."""
    from pymatgen.io.cif import str2float

    if all(key in block for key in CELL):
        check_parameters(*(str2float(block[key]) for key in CELL))
    symbols = block.get("_atom_site_type_symbol") or block.get("_atom_site_label", ())
    for symbol in dict.fromkeys([symbols] if isinstance(symbols, str) else symbols):
        if symbol[:3] in ("Wat", "wat", "O-H"):
            raise RejectedCrystal(f"site {symbol} stands for a molecule with hydrogens not listed")
        match = re.match(r"[A-Za-z][a-z]?", symbol)
        if match is None and not re.match(r"[\d.]+[A-Z]", symbol):
            raise RejectedCrystal(f"{symbol!r} is not an element")
        if match and match[0].title() not in elements():
            raise RejectedCrystal(f"{match[0]} (in {symbol!r}) is not an element")


def _ordered(structure: "Structure") -> ParsedCif:
    """The structure's sites, if each holds exactly one atom."""
    for site in structure:
        if not site.is_ordered:
            raise RejectedCrystal(
                f"site {site.label} is {_occupants(site.species)} "
                "(partial occupancy is not supported)"
            )
    return ParsedCif(
        lattice=np.array(structure.lattice.matrix),
        symbols=[site.specie.symbol for site in structure],
        labels=[site.label for site in structure],
        frac=np.array(structure.frac_coords),
        charges=[float(getattr(site.specie, "oxi_state", 0) or 0) for site in structure],
    )


def _occupants(species: Any) -> str:
    shares = {specie.symbol: float(share) for specie, share in species.items()}
    if len(shares) == 1:
        return f"only {sum(shares.values()):.3g} occupied"
    return "shared by " + " and ".join(f"{share:.3g} {s}" for s, share in shares.items())


def _explanation(error: Exception) -> str:
    """One line on why CifParser gave up."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = lines[-1] if lines else type(error).__name__
    if match := re.search(r"Occupancy ([\d.]+) exceeded", detail):
        return f"the occupancies of a site add up to {float(match[1]):g}"
    if "below threshold" in detail:
        return "the cell has no volume (it is less than 0.01 A thick)"
    if isinstance(error, KeyError) or detail.startswith(("'_", "CIF key")):
        return f"the CIF lacks {detail.strip(chr(39))}"
    return f"malformed CIF: {detail[:160]}"
