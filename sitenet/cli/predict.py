"""`sitenet predict`: predictions of a trained model for CIF files."""

from argparse import Namespace

from sitenet.analysis.cif_files import CifPrediction, find_cifs, predict_cifs
from sitenet.cli.checks import check_output, exit_code
from sitenet.cli.csv_output import write_csv


def run_predict(options: Namespace) -> int:
    """Write columns cif, prediction, unit, problem (empty for a usable file) and note.

    Returns the exit code. Raises UnusableModel, and OSError if there is no place for the table.
    """
    check_output(options.out, [options.model, *options.cif])
    found = list(predict_cifs(options.model, find_cifs(options.cif), options.seconds))
    write_csv(options.out, CifPrediction._fields, found)
    return exit_code([(row.cif, row.problem) for row in found if row.problem], len(found))
