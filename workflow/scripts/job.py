"""What every script of the pipeline does around its one call."""

import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from clock import START

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # no installation needed

from sitenet.lifetime import begin_loading, end_loading, leave_with  # its end comes last

if hasattr(sys.modules["__main__"], "snakemake"):  # this is the job, not one of its workers
    begin_loading()

from sitenet.files import read_json, write_json, write_text
from sitenet.gpus import take_gpus
from sitenet.progress import log, setup_logging
from sitenet.provenance.record import Job, fingerprint, recorded
from sitenet.tables import DamagedTable

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def job(snakemake: Any, done: str = "") -> Iterator[None]:
    """Log to the terminal and the job's log; warnings and tracebacks only to the latter.

    What the job was and took is written beside the log, as .json. An exception or a signal ends
    the job with one line on the terminal; without one, `done` is told. A damaged table is set
    aside, so that the next run makes it anew.
    """
    end_loading()
    log_path = snakemake.log[0]
    setup_logging(log_path)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    Thread(target=_stop_with_parent, args=[os.getppid()], daemon=True).start()
    file = next(handler for handler in log.handlers if isinstance(handler, logging.FileHandler))
    logging.getLogger("py.warnings").addHandler(file)
    logging.getLogger("py.warnings").propagate = False
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    # Worker processes import the main module: this file, so that no script runs a second time.
    sys.modules["__main__"].__file__ = __file__
    try:
        keep_configuration(snakemake.config, logs(snakemake))
        with recorded(Path(log_path).with_suffix(".json"), described(snakemake), ROOT, START):
            yield
        if done:
            log.info(done)
        leave_with(0)
    except Exception as error:
        logging.raiseExceptions = False  # the disk may be full
        unforeseen = isinstance(error, LookupError | TypeError | AttributeError | AssertionError)
        kind = f"{type(error).__name__}: " if unforeseen else ""
        reason = _set_aside(error) if isinstance(error, DamagedTable) else f"{kind}{error}"
        log.error(f"{reason} (details in {log_path})")
        with suppress(OSError):
            file.stream.write(traceback.format_exc())
            file.stream.flush()
        sys.exit(1)


def _set_aside(error: DamagedTable) -> str:
    """Rename a damaged table; what the terminal is told."""
    aside = error.path.with_name(f"{error.path.name}.damaged")
    with suppress(FileNotFoundError):  # another job met it too
        error.path.replace(aside)
    return f"{error.path} is damaged ({error.reason}): now {aside.name}, run again to make it anew"


def _stop(number: int, _: Any) -> None:
    """End at once, and the processes of this job with it: all that is kept is whole."""
    try:
        log.error(f"stopped by {signal.Signals(number).name}; run again to go on")
    finally:
        for process in multiprocessing.active_children():
            # Not process.kill(): joblib's processes have no such method.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        os._exit(128 + number)


def _stop_with_parent(parent: int) -> None:
    """End when Snakemake was killed: its next run would start this job a second time."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def described(snakemake: Any) -> Job:
    """The job as Snakemake has it, for its record."""
    gpus = snakemake.resources.get("gpu", 0)
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


def logs(snakemake: Any) -> Path:
    """The folder of all logs, beside that of the results; both may have the prefix of a module."""
    return Path(os.path.commonpath([snakemake.log[0], snakemake.output[0]]), "logs")


def keep_configuration(config: Mapping[str, Any], folder: Path) -> None:
    """Write `config` once to a file named after its fingerprint, fit for --configfile."""
    path = folder / "configurations" / f"{fingerprint(config)}.yaml"
    if not path.exists():
        write_text(path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))


def dataset(snakemake: Any) -> Mapping[str, Any]:
    """The options of the job's data set.

    Those that decide a result are among the parameters of the rule too, or what they stand for.
    """
    section: Mapping[str, Any] = snakemake.config["datasets"][snakemake.wildcards.dataset]
    return section


def checkpoints(folder: Path, files: Iterable[str], settings: Mapping[str, Any]) -> Path:
    """`folder` of a job's checkpoints, emptied unless they are of the same `files` and `settings`.

    The settings have the fingerprint of the code among them (`code`).
    """
    sizes_and_times = [[Path(f).stat().st_size, Path(f).stat().st_mtime_ns] for f in files]
    conditions = json.loads(json.dumps({**settings, "data": sizes_and_times}))
    note = folder / "made_from.json"
    if folder.exists():
        kept = read_json(note) if note.exists() else {}
        names = [*conditions, *kept.keys() - conditions.keys()]
        if changed := [name for name in names if kept.get(name) != conditions.get(name)]:
            log.info(f"{folder}: not continued after a change of {', '.join(changed)}")
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(note, conditions)
    return folder


def accelerator(gpus: int) -> str:
    """What torch computes on: gpu if the job was given some and there is one, else cpu."""
    import torch

    if not gpus:
        return "cpu"
    take_gpus(gpus, present=torch.cuda.device_count())  # counted without initialising CUDA
    return "gpu" if torch.cuda.is_available() else "cpu"


def device(gpus: int) -> str:
    """The device of torch for the GPUs that a job was given: cuda if there are any, else cpu."""
    return "cuda" if accelerator(gpus) == "gpu" else "cpu"
