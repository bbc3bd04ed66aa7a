"""`sitenet predict`: predictions of a trained model for crystals."""

from argparse import Namespace

from sitenet.api.given import Columns
from sitenet.api.predictor import Prediction, Predictor
from sitenet.cli.checks import check_output
from sitenet.cli.table_output import print_rows, tell


def run_predict(options: Namespace) -> int:
    """Write a row of `Prediction` for each crystal.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    check_output(options.out, [options.model, *options.crystals])
    predictor = Predictor.load(options.model, options.device)
    arguments = {
        "level": options.level,
        "columns": Columns(options.cif_column, options.id_column),
        "seconds": options.seconds,
        "workers": options.workers,
    }
    if options.out is None:
        rows = predictor.stream(options.crystals, **arguments)
        return print_rows(Prediction._fields, rows)
    return tell(predictor.write(options.crystals, options.out, **arguments))
