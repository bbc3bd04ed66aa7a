"""Writer of CIF text in space group P1, with all atoms of the cell."""

from collections.abc import Sequence

import numpy as np

from sitenet.sources.neighbours import Array

HEADER = """data_{name}
_symmetry_space_group_name_H-M 'P 1'
_symmetry_Int_Tables_number 1
_cell_length_a {a:.12f}
_cell_length_b {b:.12f}
_cell_length_c {c:.12f}
_cell_angle_alpha {alpha:.12f}
_cell_angle_beta {beta:.12f}
_cell_angle_gamma {gamma:.12f}
loop_
_symmetry_equiv_pos_site_id
_symmetry_equiv_pos_as_xyz
1 'x, y, z'
"""

SITES = """loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def write_cif(
    name: str,
    lattice: Array,
    symbols: Sequence[str],
    frac: Sequence[Sequence[float]] | Array,
    charges: Array | None = None,
    occupancy: Sequence[float] | None = None,
) -> str:
    """CIF text of a crystal; lengths, angles and positions have 12 decimals.

    Args:
        name: of the data block; spaces are replaced by underscores.
        lattice: (3, 3) rows a, b, c in A; a CIF does not preserve its orientation.
        symbols: (n,) chemical symbols.
        frac: (n, 3) fractional positions.
        charges: (n,) formal charges, written as oxidation numbers.
        occupancy: (n,) occupancies of the sites; 1 if not given.
    """
    length = np.sqrt((lattice**2).sum(axis=1))
    cosine = (lattice @ lattice.T) / np.outer(length, length)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    text = HEADER.format(
        name=name.replace(" ", "_"),
        a=length[0],
        b=length[1],
        c=length[2],
        alpha=angle[1, 2],
        beta=angle[0, 2],
        gamma=angle[0, 1],
    )
    kinds = list(symbols)
    if charges is not None:
        signed = zip(symbols, charges, strict=True)
        kinds = [f"{s}{abs(q):.4g}{'-' if q < 0 else '+'}" for s, q in signed]
        text += "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\n"
        oxidation = dict(zip(kinds, charges, strict=True))
        text += "".join(f"{kind} {q:.12g}\n" for kind, q in oxidation.items())
    rows = zip(kinds, symbols, frac, occupancy or [1.0] * len(kinds), strict=True)
    lines = [
        f"{kind} {symbol}{number} {x:.12f} {y:.12f} {z:.12f} {share:g}\n"
        for number, (kind, symbol, (x, y, z), share) in enumerate(rows)
    ]
    return text + SITES + "".join(lines)
