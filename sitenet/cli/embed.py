"""`sitenet embed`: representation vectors of crystals."""

from argparse import Namespace

from sitenet.api.given import Columns
from sitenet.api.predictor import Predictor
from sitenet.cli.checks import check_output
from sitenet.cli.table_output import print_rows, tell


def run_embed(options: Namespace) -> int:
    """Write columns id, problem, note, z1, z2, ...; the vector of an unusable crystal is empty.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    check_output(options.out, [options.model, *options.crystals])
    predictor = Predictor.load(options.model, options.device)
    arguments = {
        "local": options.local,
        "columns": Columns(options.cif_column, options.id_column),
        "seconds": options.seconds,
        "workers": options.workers,
    }
    if options.out is None:
        rows = predictor.stream_vectors(options.crystals, **arguments)
        return print_rows(predictor.vector_columns(options.local), rows)
    return tell(predictor.write_vectors(options.crystals, options.out, **arguments))
