"""`sitenet embed`: representation vectors of CIF files."""

from argparse import Namespace

from sitenet.analysis.cif_files import embed_cifs, find_cifs
from sitenet.cli.checks import check_output, exit_code
from sitenet.cli.csv_output import write_csv


def run_embed(options: Namespace) -> int:
    """Write columns cif, problem, note, z1, z2, ...; the vector of an unusable file is empty.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    check_output(options.out, [options.model, *options.cif])
    cifs = find_cifs(options.cif)
    found = list(embed_cifs(options.model, cifs, options.local, options.seconds))
    width = max((len(row.vector) for row in found if row.vector is not None), default=0)
    rows = [
        (row.cif, row.problem, row.note, *([None] * width if row.vector is None else row.vector))
        for row in found
    ]
    write_csv(options.out, ["cif", "problem", "note", *(f"z{k + 1}" for k in range(width))], rows)
    return exit_code([(row.cif, row.problem) for row in found if row.problem], len(found))
