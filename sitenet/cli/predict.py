"""`sitenet predict`: predictions of a trained model for crystals."""

from argparse import Namespace

from sitenet.api.rows import Prediction
from sitenet.cli.table_output import opened, print_rows, tell


def run_predict(options: Namespace) -> int:
    """Write a row of `Prediction` for each crystal.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    predictor, reading = opened(options)
    arguments = {"level": options.level, **reading}
    if options.out is None:
        rows = predictor.stream(options.crystals, **arguments)
        return print_rows(Prediction._fields, rows)
    return tell(predictor.write(options.crystals, options.out, **arguments))
