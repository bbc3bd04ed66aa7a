"""Crystals to merged pairs on several processes, within limits."""

from collections.abc import Iterable, Iterator
from functools import partial

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.guard import Failure, guarded_map
from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LimitSettings
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal

Kinds = tuple[FeatureSettings, ...]
"""Ways of featurising a crystal, each once."""


def featurised(
    crystals: Iterable[tuple[str, Crystal]],
    kinds: Kinds,
    workers: int,
    limits: LimitSettings,
) -> Iterator[tuple[str, tuple[MergedCrystal, ...] | Failure]]:
    """Each crystal with its id, featurised in every kind, or why that failed; in order."""
    work = partial(in_kinds, kinds=kinds)
    return guarded_map(work, crystals, workers, limits.seconds, limits.memory_gib, RejectedCrystal)


def in_kinds(crystal: Crystal, kinds: Kinds) -> tuple[MergedCrystal, ...]:
    """A crystal featurised in every kind. Raises RejectedCrystal."""
    return tuple(featurise(crystal, kind) for kind in kinds)
