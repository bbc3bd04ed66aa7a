"""`sitenet embed`: representation vectors of crystals."""

from argparse import Namespace

from sitenet.cli.table_output import opened, print_rows, tell


def run_embed(options: Namespace) -> int:
    """Write columns id, problem, note, z1, z2, ...; the vector of an unusable crystal is empty.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    predictor, reading = opened(options)
    arguments = {"local": options.local, **reading}
    if options.out is None:
        rows = predictor.stream_vectors(options.crystals, **arguments)
        return print_rows(predictor.vector_columns(options.local), rows)
    return tell(predictor.write_vectors(options.crystals, options.out, **arguments))
