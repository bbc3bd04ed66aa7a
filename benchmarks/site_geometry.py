"""Cost and reach of `features.site_geometry` on a random sample of a table of CIFs.

    OMP_NUM_THREADS=1 python benchmarks/site_geometry.py --table PATH.parquet --n 1000

Prints, for crystals of at most --sites sites: processor time of featurising with and without it
(alternating, the least of --repeat), in how many crystals sites of one class by their distances
differ in it, what it does to pair types and to a step of the network of Table 1, and mean and
spread of every channel before scaling.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.crystal.site_geometry import CHANNELS, site_geometry
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import Crystal, read_cif
from sitenet.structure.rejection import RejectedCrystal

GAPS = (1e-4, 1e-3, 1e-2)
TOGETHER = 60
STEPS = 25


def sample(table: Path, most: int, count: int, seed: int) -> list[Crystal]:
    """`count` random crystals with at most `most` sites."""
    cifs = pq.read_table(table, columns=["cif"])["cif"]
    found: list[Crystal] = []
    for row in np.random.default_rng(seed).permutation(len(cifs)).tolist():
        try:
            crystal = read_cif(cifs[row].as_py())
        except RejectedCrystal:
            continue
        if len(crystal.numbers) <= most:
            found.append(crystal)
        if len(found) == count:
            break
    return found


def timed(
    crystals: list[Crystal], n_atoms: int, repeat: int
) -> tuple[dict[bool, float], dict[bool, list[MergedCrystal]]]:
    """Least milliseconds per crystal without and with geometry, and the crystals."""
    least, made = {False: np.inf, True: np.inf}, {}
    for _ in range(repeat):
        for geometry in least:
            settings = FeatureSettings(n_atoms=n_atoms, site_geometry=geometry)
            start = time.process_time()
            made[geometry] = [featurise(crystal, settings) for crystal in crystals]
            cost = 1e3 * (time.process_time() - start) / len(crystals)
            least[geometry] = min(least[geometry], cost)
    return least, made


def steps(stores: list[CrystalStore]) -> list[float]:
    """Least milliseconds of a forward and backward pass without and with geometry, alternating."""
    models = [SiteNet(ModelSettings(site_geometry=reads)) for reads in (False, True)]
    batches = [store.batch(torch.arange(min(TOGETHER, len(store)))) for store in stores]
    least = [np.inf, np.inf]
    for _ in range(STEPS):
        for k, (model, batch) in enumerate(zip(models, batches, strict=True)):
            start = time.process_time()
            model(batch).abs().sum().backward()
            least[k] = min(least[k], 1e3 * (time.process_time() - start))
    return least


def report(made: dict[bool, list[MergedCrystal]]) -> None:
    """What geometry tells apart, and its channels."""
    widest, channels = [], []
    shift, scale = np.array(list(CHANNELS.values())).T
    for crystal in made[False]:
        each = site_geometry(
            crystal.lattice, crystal.numbers, crystal.frac, np.arange(len(crystal.numbers))
        )
        first = np.unique(crystal.site_class, return_index=True)[1]
        channels.append(each[first] * scale + shift)
        widest.append(float(abs(each - each[first][crystal.site_class]).max()))
    for gap in GAPS:
        print(f"  sites of one class differ by more than {gap:g}: {sum(w > gap for w in widest)} "
              f"of {len(widest)} crystals")  # fmt: skip
    split = sum(len(one.row_length) != len(other.row_length)
                for one, other in zip(*made.values(), strict=True))  # fmt: skip
    print(f"  classes are divided by it in {split}")
    names = [str(k) for k in range(len(widest))]
    stores = [CrystalStore.from_crystals(names, crystals) for crystals in made.values()]
    types, pairs = (
        [int(getattr(store, name).sum()) for store in stores] for name in ("types", "pairs")
    )
    print(f"  pair types {types[1] / types[0]:.3f}x, merged pairs {pairs[1] / pairs[0]:.3f}x")
    without, with_geometry = steps(stores)
    print(f"  forward and backward of {TOGETHER} crystals: {without:.1f} ms without, "
          f"{with_geometry:.1f} with: {with_geometry / without:.3f}x")  # fmt: skip
    table = np.concatenate(channels)
    print("  mean and standard deviation of the channels of site classes, least and largest")
    for name, values in zip(CHANNELS, table.T, strict=True):
        print(f"    {name:35s} {values.mean():7.3f} {values.std():6.3f} {values.min():7.3f} "
              f"{values.max():7.3f}")  # fmt: skip


def main() -> None:
    """Parse the arguments and report N = 50 and 100."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="Parquet file with CIF texts")
    parser.add_argument("--n", type=int, default=300, help="crystals in the sample")
    parser.add_argument("--sites", type=int, default=50, help="largest number of sites")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    crystals = sample(options.table, options.sites, options.n, options.seed)
    featurise(crystals[0], FeatureSettings(site_geometry=True))  # imports, tables
    for n_atoms in (50, 100):
        cost, made = timed(crystals, n_atoms, options.repeat)
        more = cost[True] - cost[False]
        print(f"N = {n_atoms}, {len(crystals)} crystals: {cost[False]:.2f} ms per crystal without, "
              f"{cost[True]:.2f} with: {more:.2f} ms, {1e3 / more:.0f} crystals/s")  # fmt: skip
        report(made)


if __name__ == "__main__":
    main()
