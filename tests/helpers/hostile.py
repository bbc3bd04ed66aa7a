"""Work that fails in every way that work on a crystal can."""

import ctypes
import os
import signal
import time

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.shards.guarded import Kinds
from sitenet.sources.record_checks import CheckedRecords, NumberedRecord, check_record
from sitenet.structure.cif import Crystal


class Refused(Exception):
    """An expected failure."""


def do(item: str) -> str:
    """The item in capitals, unless it names a way to fail."""
    if item == "refused":
        raise Refused("no good")
    if item == "error":
        raise KeyError("what\nis this")
    if item == "recursion":
        return do(item)
    if item == "overflow":
        return str(10.0**400)
    if item == "memory":
        return str(len(bytearray(2**42)))
    if item == "crash":
        ctypes.string_at(0)
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exit":
        os._exit(3)
    if item == "sys.exit":
        raise SystemExit(2)
    if item == "spin":
        while True:
            pass
    if item == "sleep":
        time.sleep(1000)
    if item == "deaf":  # as C code that holds the interpreter's lock
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        ctypes.PyDLL(None).sleep(1000)
    if item == "unpicklable":
        return lambda: 0
    return item.upper()


def featurise_or_die(crystal: Crystal, kinds: Kinds) -> tuple[MergedCrystal, ...]:
    """Ends the process at crystals with helium, and fails unexpectedly at those with neon."""
    if 2 in crystal.numbers:
        os.kill(os.getpid(), signal.SIGSEGV)
    if 10 in crystal.numbers:
        raise LookupError("neon")
    return tuple(featurise(crystal, kind) for kind in kinds)


def check_or_die(record: NumberedRecord) -> CheckedRecords:
    """Ends the process at records called "deadly"."""
    if record.record.id == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return check_record(record)
