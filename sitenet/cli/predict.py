"""`sitenet predict`: predictions of a trained model for CIF files."""

from argparse import Namespace

from sitenet.analysis.cif_files import CifPrediction, predict_cifs
from sitenet.cli.csv_output import write_csv


def run_predict(options: Namespace) -> None:
    """Write columns cif, prediction, unit and problem, which is empty for a usable file."""
    write_csv(options.out, CifPrediction._fields, predict_cifs(options.model, options.cif))
