"""Whether supercells of at most N atoms can hold any crystal of a data set."""

from pathlib import Path

from sitenet.crystal.primitive import primitive_cell
from sitenet.options.features import FeatureSettings
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.formula import counts
from sitenet.tables import read_arrow

SMALL = 64
"""Sites of the largest cell whose primitive cell is searched for, which takes milliseconds."""


class NothingFits(ValueError):
    """No crystal could be trained on."""


def require_fitting(structures: Path, settings: FeatureSettings) -> None:
    """Raise NothingFits if no primitive cell in the table `structures` has at most N sites.

    Larger crystals are not trained on. Cells of more than `SMALL` sites get the benefit of the
    doubt if their formula unit fits.
    """
    n_atoms = settings.n_atoms
    sites = read_arrow(structures, ["n_sites"])["n_sites"].to_numpy()
    if not len(sites) or sites.min() <= n_atoms:
        return
    smallest = min(_sites(crystal, settings) for _, crystal in iter_crystals(structures))
    if smallest > n_atoms:
        raise NothingFits(
            f"no crystal of {structures.parent.name} can be trained on with n: {n_atoms}; the "
            f"smallest has {smallest} sites in its primitive cell: raise n to a multiple of that"
        )


def _sites(crystal: Crystal, settings: FeatureSettings) -> int:
    """Sites of the primitive cell; at least so many if it is not searched for."""
    unit = sum(number for _, number in counts(crystal.numbers))
    if unit > settings.n_atoms or len(crystal.numbers) > SMALL:
        return unit
    try:
        cell = primitive_cell(
            crystal.lattice,
            crystal.numbers,
            crystal.frac,
            crystal.oxidation,
            settings.primitive_tolerance,
        )
    except (ValueError, ArithmeticError):  # told when it is featurised
        return unit
    return len(cell.numbers)
