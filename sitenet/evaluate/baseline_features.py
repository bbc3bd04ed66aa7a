"""What the baselines know of each crystal: Magpie features, volume and density, structure type.

Magpie features (L. Ward et al., doi:10.1038/npjcompumats.2016.28) are statistics of tabulated
properties of the elements over the composition. matminer is imported when first used, as that takes
seconds.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.crystal.structure_type import structure_type
from sitenet.parallel import chunked, ordered_map
from sitenet.progress import Progress, log
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.formula import reduced_formula
from sitenet.tables import row_count, write_table

Float = NDArray[np.float64]

CHUNK = 64  # crystals sent to a worker process at a time

DALTON = 1.66053907
"""g/cm^3 in one dalton per A^3."""

STRUCTURE = ["volume_per_atom", "density"]
"""Features that depend on the structure: A^3 and g/cm^3."""


def write_baseline_features(structures: Path, out: Path, workers: int = 1) -> None:
    """Write what the baselines know of all crystals of a table of structures, in its order.

    Args:
        structures: table of structures.
        out: Parquet file to write: id, structure_type (see `sitenet.crystal.structure_type`),
            `STRUCTURE`, and Magpie features by their names in matminer, NaN where it has none.
        workers: number of processes.
    """
    progress = Progress(row_count(structures), "features of the baselines", "crystals")
    rows: list[tuple[str, str, str, float, float]] = []
    chunks = chunked(iter_crystals(structures), CHUNK)
    for row in chain.from_iterable(ordered_map(_measure_all, chunks, workers)):
        rows.append(row)
        progress.advance()
    progress.finish()
    ids, formulas, types, volumes, masses = zip(*rows, strict=True)
    unique, of_unique = np.unique(np.array(formulas, dtype=object), return_inverse=True)
    found = ordered_map(_magpie_all, chunked(unique.tolist(), CHUNK), workers)
    magpie = np.array(list(chain.from_iterable(found)), dtype=np.float32)
    if failed := int(np.isnan(magpie).any(axis=1).sum()):
        log.info(f"matminer has no Magpie features for {failed:,} of {len(unique):,} formulas")
    volume, mass = np.array(volumes), np.array(masses)
    head = pd.DataFrame({"id": ids, "structure_type": types, "volume_per_atom": volume,
                         "density": DALTON * mass / volume})  # fmt: skip
    names = [name.replace("MagpieData ", "") for name in _magpie().feature_labels()]
    write_table(out, pd.concat([head, pd.DataFrame(magpie[of_unique], columns=names)], axis=1))


def _measure_all(
    crystals: list[tuple[str, Crystal]],
) -> list[tuple[str, str, str, float, float]]:
    return [(name, *_measure(crystal)) for name, crystal in crystals]


def _measure(crystal: Crystal) -> tuple[str, str, float, float]:
    """Reduced formula, structure type, volume per atom (A^3) and mean mass of an atom (dalton)."""
    atoms = len(crystal.numbers)
    return (
        reduced_formula(crystal.numbers),
        structure_type(crystal.lattice, crystal.numbers, crystal.frac),
        abs(float(np.linalg.det(crystal.lattice))) / atoms,
        float(_masses()[crystal.numbers].mean()),
    )


@cache
def _masses() -> Float:
    """Mass (119,) of the elements in dalton, by atomic number."""
    from pymatgen.core import Element

    masses = np.full(119, np.nan)
    masses[1:] = [float(Element.from_Z(z).atomic_mass) for z in range(1, 119)]
    return masses


def _magpie_all(formulas: list[str]) -> list[Float]:
    return list(_magpie_features(formulas))


def _magpie_features(formulas: list[str]) -> Iterator[Float]:
    from pymatgen.core import Composition

    featurizer = _magpie()
    for formula in formulas:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about elements without a property
                yield np.array(featurizer.featurize(Composition(formula)), dtype=np.float64)
        except Exception:  # of elements that its tables lack, various types
            yield np.full(len(featurizer.feature_labels()), np.nan)


@cache
def _magpie() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.composition import ElementProperty

        return ElementProperty.from_preset("magpie")
