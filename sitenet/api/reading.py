"""From what is given to featurised crystals, on all cores and guarded. Loads no torch."""

import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from sitenet.api.given import Given
from sitenet.api.objects import as_cif
from sitenet.crystal.featurise import MergedCrystal
from sitenet.guard import SECONDS, Failure, guarded_map
from sitenet.options.features import FeatureSettings
from sitenet.shards.guarded import Kinds, in_kinds
from sitenet.structure.cif import read_cif
from sitenet.structure.cif_file import cif_bytes
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.text import decoded

Read = tuple[MergedCrystal | None, str, str]
"""Featurised crystal (None with a problem), problem and note."""

InKinds = tuple[tuple[MergedCrystal, ...] | None, str, str]
"""The same of a crystal that is featurised in several ways."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_all(
    crystals: Iterable[Given],
    settings: FeatureSettings,
    seconds: float = SECONDS,
    workers: int | None = None,
) -> Iterator[tuple[Given, Read]]:
    """Each with its featurised crystal; otherwise as `read_kinds`."""
    for given, (found, problem, note) in read_kinds(crystals, (settings,), seconds, workers):
        yield given, (found[0] if found else None, problem, note)


def read_kinds(
    crystals: Iterable[Given],
    kinds: Kinds,
    seconds: float = SECONDS,
    workers: int | None = None,
) -> Iterator[tuple[Given, InKinds]]:
    """Each with its crystal, featurised in every kind, in order and lazily.

    Whatever is in a crystal, it ends no more than its own reading, after at most `seconds` of
    processor time. `workers` processes (None: all cores) are started as they are needed.
    """
    waiting: deque[Given] = deque()

    def tasks() -> Iterator[tuple[str, Given]]:
        for given in crystals:
            waiting.append(given)
            yield given.id, given

    work = partial(_read_in, kinds=kinds)
    for _, found in guarded_map(
        work, tasks(), workers or cores(), seconds, expected=RejectedCrystal
    ):
        given = waiting.popleft()
        if isinstance(found, Failure):
            yield given, (None, found.reason, "")
        else:
            crystal, note = found
            yield given, (crystal, "", note)


def read_one(given: Given, settings: FeatureSettings) -> tuple[MergedCrystal, str]:
    """The featurised crystal, and what was changed when reading it. Raises RejectedCrystal."""
    (found,), note = _read_in(given, (settings,))
    return found, note


def _read_in(given: Given, kinds: Kinds) -> tuple[tuple[MergedCrystal, ...], str]:
    """The crystal in every kind, and what was changed. Raises RejectedCrystal."""
    if given.problem:
        raise RejectedCrystal(given.problem)
    content = given.content
    if given.kind.endswith("file"):
        content = cif_bytes(Path(os.fsdecode(content)))
    crystal = read_cif(_from_poscar(content) if given.kind.startswith("poscar") else content)
    return in_kinds(crystal, kinds), crystal.note


def _from_poscar(content: str | bytes) -> str:
    """CIF text of a POSCAR. Raises RejectedCrystal."""
    from pymatgen.io.vasp.inputs import Poscar

    text = decoded(content) if isinstance(content, bytes) else content
    try:
        with warnings.catch_warnings(action="ignore"):
            poscar = Poscar.from_str(text, read_velocities=False)
        if not poscar.true_names:  # else pymatgen invents them
            raise RejectedCrystal("the POSCAR does not name its elements")
        return as_cif(poscar.structure)
    except RejectedCrystal:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise RejectedCrystal(f"it is no POSCAR that can be read: {text}") from None
