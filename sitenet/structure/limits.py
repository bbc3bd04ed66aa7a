"""Limits on what is read as a crystal, each with the reason for it."""

from sitenet.structure.rejection import RejectedCrystal

LONGEST_EDGE = 1000.0
"""Largest edge of a cell, in A: slabs with vacuum and long polytypes have tens to hundreds."""

MOST_SITES = 2000
"""Largest number of sites of a cell: four times the largest N of the papers, for face-centred cells
of four primitive ones."""

DENSEST = 0.5
"""Smallest volume per atom, in A^3: solid hydrogen at 500 GPa has more than 1."""

EMPTIEST = 20_000.0
"""Largest volume per atom, in A^3: a molecule in a large box has some thousands."""


def check_edges(*edges: float) -> None:
    """Raise RejectedCrystal for edges, in A, that no crystal has."""
    if max(edges) > LONGEST_EDGE:
        raise RejectedCrystal(f"a cell edge is {max(edges):.4g} A (at most {LONGEST_EDGE:g})")


def check_sites(sites: int) -> None:
    """Raise RejectedCrystal for too many sites; called before anything that takes long."""
    if sites > MOST_SITES:
        raise RejectedCrystal(f"the cell has {sites:,} or more sites (at most {MOST_SITES:,})")


def check_density(sites: int, volume: float) -> None:
    """Raise RejectedCrystal for a volume, in A^3, that no solid of so many atoms has."""
    each = volume / sites
    if not DENSEST <= each <= EMPTIEST:
        raise RejectedCrystal(
            f"the cell has {each:.3g} A^3 per atom ({DENSEST:g} to {EMPTIEST:,.0f} are possible)"
        )
