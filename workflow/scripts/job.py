"""What every script of the pipeline does around its one call."""

import json
import logging
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # no installation needed

from sitenet.files import atomic_path
from sitenet.gpus import take_gpus
from sitenet.progress import log, setup_logging
from sitenet.provenance.record import Job, fingerprint, recorded

ROOT = Path(__file__).resolve().parents[2]
START = time.time()


@contextmanager
def job(snakemake: Any, done: str = "") -> Iterator[None]:
    """Log to the terminal and the job's log; warnings and tracebacks only to the latter.

    What the job was and took is written beside the log, as .json. An exception ends the job with
    one line on the terminal; without one, `done` is told.
    """
    log_path = snakemake.log[0]
    setup_logging(log_path)
    file = next(handler for handler in log.handlers if isinstance(handler, logging.FileHandler))
    logging.getLogger("py.warnings").addHandler(file)
    logging.getLogger("py.warnings").propagate = False
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    # Worker processes import the main module: this file, so that no script runs a second time.
    sys.modules["__main__"].__file__ = __file__
    try:
        keep_configuration(snakemake.config)
        with recorded(Path(log_path).with_suffix(".json"), described(snakemake), ROOT, START):
            yield
        if done:
            log.info(done)
    except Exception as error:
        unforeseen = isinstance(error, LookupError | TypeError | AttributeError | AssertionError)
        kind = f"{type(error).__name__}: " if unforeseen else ""
        log.error(f"{kind}{error} (details in {log_path})")
        file.stream.write(traceback.format_exc())
        sys.exit(1)


def described(snakemake: Any) -> Job:
    """The job as Snakemake has it, for its record."""
    gpus = snakemake.resources.gpu
    return Job(
        rule=snakemake.rule,
        wildcards=dict(snakemake.wildcards.items()),
        inputs=[*snakemake.input],
        outputs=[*snakemake.output],
        params=dict(snakemake.params.items()),
        config=snakemake.config,
        threads=snakemake.threads,
        gpus=gpus if gpus and accelerator(gpus) == "gpu" else 0,
    )


def keep_configuration(config: Mapping[str, Any]) -> None:
    """Write `config` once to a file named after its fingerprint, fit for --configfile."""
    path = Path("logs", "configurations", f"{fingerprint(config)}.yaml")
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))


def checkpoints(folder: Path, files: Iterable[str], settings: Mapping[str, Any]) -> Path:
    """`folder`, emptied if its checkpoints come from other `files` or `settings` than these."""
    sizes_and_times = [[Path(f).stat().st_size, Path(f).stat().st_mtime_ns] for f in files]
    conditions = json.dumps([sizes_and_times, settings], sort_keys=True)
    note = folder / "conditions.json"
    if folder.exists() and not (note.exists() and note.read_text() == conditions):
        log.info(f"{folder}: from other data or settings, not continued")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(conditions)
    return folder


def accelerator(gpus: int) -> str:
    """What torch computes on: gpu if the job was given some and there is one, else cpu."""
    import torch

    if not gpus:
        return "cpu"
    take_gpus(gpus, present=torch.cuda.device_count())  # counted without initialising CUDA
    return "gpu" if torch.cuda.is_available() else "cpu"
