"""Cost of featurising, from CIF text to shard, on a random sample of a table of CIFs.

    OMP_NUM_THREADS=1 python benchmarks/featurise.py --table PATH.parquet --n 300

Prints mean milliseconds of processor time per crystal on one core, what the supercells reach
beside the greedy rule of the published code, and what merging saves.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sitenet.crystal import featurise as pipeline
from sitenet.crystal import supercell
from sitenet.crystal.greedy_supercell import greedy_supercell
from sitenet.crystal.supercell import cubicness
from sitenet.shards.schema import open_writer, to_table
from sitenet.structure.cif import Crystal, read_cif
from sitenet.structure.rejection import RejectedCrystal

STAGES = ("guess_oxidation", "primitive_cell", "optimal_supercell", "atom_distances",
          "merge_pairs")  # fmt: skip


def write_shard(crystals: list[pipeline.MergedCrystal]) -> int:
    """Write a shard; its size in bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        with open_writer(path) as writer:
            writer.write_table(to_table([str(k) for k in range(len(crystals))], crystals))
        return path.stat().st_size


def timed(function: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    """`function`, adding its processor time to `seconds` under its name."""

    def run(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[function.__name__] += time.process_time() - start

    return run


def sample(table: Path, column: str, count: int, seed: int) -> list[str]:
    """`count` random CIFs of a Parquet table."""
    cifs = pq.read_table(table, columns=[column])[column]
    chosen = np.random.default_rng(seed).choice(len(cifs), min(count, len(cifs)), replace=False)
    return [cifs[int(i)].as_py() for i in chosen]


def parse(cifs: list[str], seconds: dict[str, float]) -> list[Crystal]:
    """The crystals that can be read."""
    read = timed(read_cif, seconds)
    crystals = []
    for cif in cifs:
        try:
            crystals.append(read(cif))
        except RejectedCrystal as error:
            print(f"rejected: {error}")
    return crystals


def report(crystals: list[Crystal], n_atoms: int, seconds: dict[str, float]) -> None:
    """Featurise all crystals at one N and print the figures; `seconds` of the stages is reset."""
    settings = pipeline.FeatureSettings(n_atoms=n_atoms)
    whole = timed(pipeline.featurise, seconds)
    for stage in (*STAGES, "featurise"):
        seconds[stage] = 0.0
    merged = [whole(crystal, settings) for crystal in crystals]
    seconds["write_shard"] = 0.0
    size = timed(write_shard, seconds)(merged)
    stages = ("read_cif", *STAGES, "write_shard")
    cost = {stage: 1e3 * seconds[stage] / len(crystals) for stage in stages}
    steps = ("read_cif", "featurise", "write_shard")
    total = 1e3 * sum(seconds[step] for step in steps) / len(crystals)
    print(f"\nN = {n_atoms}: {total:.2f} ms per crystal, {1e3 / total:.0f} crystals/s per core")
    print("  " + ", ".join(f"{stage} {value:.2f}" for stage, value in cost.items()))

    fitting = [m for m in merged if len(m.numbers) <= n_atoms]
    ours = [(m.lattice, m.supercell, len(m.numbers)) for m in fitting]
    theirs = [(a, greedy_supercell(a, sites, n_atoms), sites) for a, _, sites in ours]
    for name, cells in (("optimal", ours), ("greedy", theirs)):
        filling = [sites * abs(np.linalg.det(m)) / n_atoms for _, m, sites in cells]
        shape = [cubicness(m @ a) for a, m, _ in cells]
        print(f"  {name}: mean filling {np.mean(filling):.3f}, mean cubicness {np.mean(shape):.3f}")
    pairs = sum(len(m.numbers) ** 2 * m.images for m in merged)
    kept = sum(len(m.pair_class) for m in merged)
    sites, classes = (sum(len(getattr(m, k)) for m in merged) for k in ("numbers", "row_length"))
    print(
        f"  {sites / len(merged):.1f} unique sites; merged: sites {sites / classes:.2f}x, "
        f"pairs {pairs / kept:.2f}x, {kept / sites:.1f} pairs per unique site, "
        f"{size / kept:.2f} bytes per merged pair on disk"
    )


def main() -> None:
    """Parse the arguments, time the reading of CIFs, report N = 50, 100, 500."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="Parquet file with CIF texts")
    parser.add_argument("--column", default="cif")
    parser.add_argument("--n", type=int, default=300, help="crystals in the sample")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seconds: dict[str, float] = defaultdict(float)
    crystals = parse(
        sample(arguments.table, arguments.column, arguments.n, arguments.seed), seconds
    )
    pipeline.featurise(crystals[0], pipeline.FeatureSettings())  # imports, tables
    for stage in STAGES:  # optimal_supercell includes the distances that it compares
        module = supercell if stage == "atom_distances" else pipeline
        setattr(module, stage, timed(getattr(module, stage), seconds))
    for n_atoms in (50, 100, 500):
        report(crystals, n_atoms, seconds)


if __name__ == "__main__":
    main()
