"""`sitenet explain`: tables and a figure of what a model attends to in one crystal."""

from argparse import Namespace

from sitenet.api.predictor import Predictor
from sitenet.cli.checks import REFUSED, check_folder
from sitenet.progress import log
from sitenet.structure.rejection import RejectedCrystal


def run_explain(options: Namespace) -> int:
    """Write the tables and the figure of one crystal to the folder `out`.

    Returns the exit code. Raises UnusableModel, ValueError for an unknown site, and OSError if
    there is no place for the results.
    """
    predictor = Predictor.load(options.model, "cpu")
    predictor.unit  # noqa: B018  # a model without a label is told before a folder is made
    options.out.mkdir(parents=True, exist_ok=True)
    check_folder(options.out)
    try:
        predictor.explain(options.cif, options.out, site=options.site, compare=options.compare,
                          raw=options.raw)  # fmt: skip
    except RejectedCrystal as error:
        log.warning(str(error))
        return REFUSED
    return 0
