"""Crystals of other libraries, known by their methods, as CIF text.

The text goes through the one reader and its checks. pymatgen and ASE are not imported: who has an
object of theirs has them.
"""

from typing import Any

import numpy as np

from sitenet.sources.cif_writer import write_cif
from sitenet.structure.rejection import RejectedCrystal


def is_object(crystal: Any) -> bool:
    """Whether it looks like a Structure of pymatgen or Atoms of ASE."""
    return _is_structure(crystal) or _is_atoms(crystal)


def as_cif(crystal: Any) -> str:
    """CIF text of a Structure or Atoms. Raises RejectedCrystal unless it is a whole crystal.

    Disorder is written as it is: the reader refuses it.
    """
    return _structure(crystal) if _is_structure(crystal) else _atoms(crystal)


def _is_structure(crystal: Any) -> bool:
    return hasattr(crystal, "lattice") and hasattr(crystal, "frac_coords")


def _is_atoms(crystal: Any) -> bool:
    return hasattr(crystal, "get_scaled_positions") and hasattr(crystal, "get_chemical_symbols")


def _structure(structure: Any) -> str:
    _require_periodic(getattr(structure.lattice, "pbc", (True, True, True)))
    symbols, places, shares, charges = [], [], [], []
    for site in structure:
        for species, share in site.species.items():
            symbols.append(str(species.symbol))
            charges.append(getattr(species, "oxi_state", None))
            shares.append(float(share))
            places.append(site.frac_coords)
    known = bool(charges) and None not in charges
    return write_cif("structure", np.asarray(structure.lattice.matrix, dtype=float), symbols,
                     places, np.array(charges, dtype=float) if known else None,
                     shares)  # fmt: skip


def _atoms(atoms: Any) -> str:
    _require_periodic(atoms.get_pbc())
    if "occupancy" in getattr(atoms, "info", {}):
        raise RejectedCrystal("it has occupancies: ordered crystals only")
    lattice = np.asarray(atoms.get_cell(), dtype=float)
    return write_cif("atoms", lattice, list(atoms.get_chemical_symbols()),
                     np.asarray(atoms.get_scaled_positions(), dtype=float))  # fmt: skip


def _require_periodic(periodic: Any) -> None:
    if not np.all(periodic):
        raise RejectedCrystal("it is not periodic in all three directions: no crystal")
