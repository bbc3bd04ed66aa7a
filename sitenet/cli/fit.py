"""`sitenet fit`: the best model for a table of labels."""

import sys
from argparse import Namespace

from sitenet.api.few_labels import fit
from sitenet.cli.checks import REFUSED
from sitenet.options.few_labels import FitSettings
from sitenet.progress import log


def run_fit(options: Namespace) -> int:
    """Write the model and what is known of it to a folder, and print the report.

    Returns the exit code. Raises ValueError or OSError with what can be done.
    """
    settings = FitSettings.from_untrusted(
        {
            "arms": tuple(options.arms),
            "network_from": options.network_from,
            "network_starts": tuple(options.network_starts),
            "epochs": options.epochs,
            "seed": options.seed,
        }
    )
    found = fit(
        options.labels,
        options.out,
        cifs=options.cifs,
        column=options.label,
        unit=options.unit,
        id_column=options.id_column,
        cif_column=options.cif_column,
        encoders=[] if options.encoder == ["none"] else options.encoder,
        settings=settings,
        workers=options.workers,
    )
    sys.stdout.write((options.out / "report.md").read_text(encoding="utf-8"))
    log.info(f"{options.out}: predict with `sitenet predict {options.out} CRYSTALS`")
    return REFUSED if found.refused else 0
