"""How much merging saves, by crystal system, with the optimal and with the greedy supercell.

    python benchmarks/merging_factor.py --structures structures.parquet --crystals 1000

Pairs of unique site and supercell atom per merged pair, over random crystals of at most N sites
(fixed seed). Both supercells are those of one primitive cell, so that only the rule differs. The
last column is what the first block wins beyond that: merged pairs for each evaluation of its
networks, one for all pairs of a crystal with equal elements, oxidation states and distance.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import spglib
import torch
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.greedy_supercell import greedy_supercell
from sitenet.crystal.merging import MergedPairs, merge_pairs
from sitenet.crystal.primitive import PrimitiveCell, primitive_cell
from sitenet.crystal.supercell import optimal_supercell
from sitenet.options.features import FeatureSettings
from sitenet.shards.batch import ragged_batch
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.oxidation import guess_oxidation

SYSTEMS = {"triclinic": 2, "monoclinic": 15, "orthorhombic": 74, "tetragonal": 142, "trigonal": 167,
           "hexagonal": 194, "cubic": 230}  # fmt: skip
"""Number of the last space group of each crystal system."""

COUNTS = ("crystals", "pairs", "merged", "greedy pairs", "greedy merged", "types")


def system_of(cell: PrimitiveCell, tolerance: float) -> str:
    """Crystal system of a primitive cell, by its space group."""
    found = spglib.get_symmetry_dataset((cell.lattice, cell.frac, cell.numbers), symprec=tolerance)
    number = 1 if found is None else found.number
    return next(name for name, last in SYSTEMS.items() if number <= last)


def merged_pairs(cell: PrimitiveCell, matrix: NDArray, tolerance: float) -> tuple[int, MergedPairs]:
    """Pairs of unique site and supercell atom, and the merged ones."""
    distances = atom_distances(cell.lattice, cell.frac, matrix)
    images = distances.shape[1] // len(cell.numbers)
    merged = merge_pairs(cell.numbers, cell.oxidation, distances, images, tolerance)
    return distances.size, merged


def types(cell: PrimitiveCell, merged: MergedPairs) -> int:
    """Evaluations of the first block's networks, with distances in float32 as for the model."""
    batch = ragged_batch([(cell.numbers, cell.oxidation, merged)]).cast(torch.float32)
    return len(batch.type_first)


def count(crystal: Crystal, n_atoms: int, settings: FeatureSettings) -> dict[str, int] | None:
    """The COUNTS of one crystal, with the name of its system; None where P > N."""
    oxidation = guess_oxidation(crystal.numbers)
    given = crystal.lattice, crystal.numbers, crystal.frac, oxidation
    cell = primitive_cell(*given, settings.primitive_tolerance)
    if len(cell.numbers) > n_atoms:
        return None
    tolerance = settings.merge_tolerance
    pairs, merged = merged_pairs(cell, optimal_supercell(cell, n_atoms).matrix, tolerance)
    theirs = greedy_supercell(cell.lattice, len(cell.numbers), n_atoms)
    greedy_pairs, greedy_merged = merged_pairs(cell, theirs, tolerance)
    kept = len(merged.pair_class), greedy_pairs, len(greedy_merged.pair_class)
    values = (1, pairs, *kept, types(cell, merged))
    name = system_of(cell, settings.primitive_tolerance)
    return {"system": name, **dict(zip(COUNTS, values, strict=True))}  # type: ignore[dict-item]


def sample(structures: Path, crystals: int, seed: int) -> Iterator[Crystal]:
    """Random crystals of the table, in its order."""
    rows = pq.ParquetFile(structures).metadata.num_rows
    chosen = np.random.default_rng(seed).choice(rows, min(crystals, rows), replace=False)
    wanted = set(chosen.tolist())
    return (c for k, (_, c) in enumerate(iter_crystals(structures)) if k in wanted)


def report(totals: dict[str, dict[str, int]], n_atoms: int) -> None:
    """Print a Markdown table of factors; each is a ratio of sums over the crystals."""
    print(f"\n| N = {n_atoms} | crystals | optimal | greedy | first block |")
    print("| --- | ---: | ---: | ---: | ---: |")
    everyone = {name: sum(t[name] for t in totals.values()) for name in COUNTS}
    for name, t in [*((s, totals[s]) for s in SYSTEMS if s in totals), ("all", everyone)]:
        print(
            f"| {name} | {t['crystals']:,} | {t['pairs'] / t['merged']:.2f} "
            f"| {t['greedy pairs'] / t['greedy merged']:.2f} | {t['merged'] / t['types']:.2f} |"
        )


def main() -> None:
    """Parse the arguments and print a table for each N."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--structures", type=Path, required=True, help="a structures.parquet")
    parser.add_argument("--crystals", type=int, default=1000)
    parser.add_argument("--n", type=int, nargs="+", default=[50, 100, 500])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for n_atoms in options.n:
        totals: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
        for crystal in sample(options.structures, options.crystals, options.seed):
            found = count(crystal, n_atoms, FeatureSettings())
            if found is not None:
                for name in COUNTS:
                    totals[str(found["system"])][name] += found[name]
        report(totals, n_atoms)


if __name__ == "__main__":
    main()
