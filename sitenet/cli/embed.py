"""`sitenet embed`: representation vectors of CIF files."""

from argparse import Namespace

from sitenet.analysis.cif_files import embed_cifs
from sitenet.cli.csv_output import write_csv


def run_embed(options: Namespace) -> None:
    """Write columns cif, problem, z1, z2, ...; the vector of an unusable file is empty."""
    found = embed_cifs(options.model, options.cif, options.local)
    width = max((len(row.vector) for row in found if row.vector is not None), default=0)
    rows = [
        (row.cif, row.problem, *([None] * width if row.vector is None else row.vector))
        for row in found
    ]
    write_csv(options.out, ["cif", "problem", *(f"z{k + 1}" for k in range(width))], rows)
