"""What every script of the pipeline does around its one call."""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # no installation needed

from sitenet.progress import log, setup_logging


@contextmanager
def job(log_path: str, done: str = "") -> Iterator[None]:
    """Log to the terminal and to `log_path`; warnings and tracebacks only to the latter.

    An exception ends the job with one line on the terminal; without one, `done` is told.
    """
    setup_logging(log_path)
    file = next(handler for handler in log.handlers if isinstance(handler, logging.FileHandler))
    logging.getLogger("py.warnings").addHandler(file)
    logging.getLogger("py.warnings").propagate = False
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    # Worker processes import the main module: this file, so that no script runs a second time.
    sys.modules["__main__"].__file__ = __file__
    try:
        yield
        if done:
            log.info(done)
    except Exception as error:
        log.error(f"{str(error) or type(error).__name__} (details in {log_path})")
        file.stream.write(traceback.format_exc())
        sys.exit(1)


def accelerator(gpus: int) -> str:
    """What torch computes on: gpu if the job was given one and there is one, else cpu."""
    import torch

    return "gpu" if gpus and torch.cuda.is_available() else "cpu"
