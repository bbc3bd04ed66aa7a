"""Training step of the merged engine against the dense reference, on one batch of real crystals.

    python benchmarks/training_step.py --table crystals.parquet --n 50 --sites 1200 --threads 2

Each path runs in a process of its own, so that its peak memory is its own: forward, backward,
clipping and AdamW in float32 with the hyperparameters of Table 1, as trainings do them. `merged`
takes the compiled kernel, `bf16` the same with `precision: bf16-mixed`, `plain` plain PyTorch;
`--paths` chooses some of them. The floor is the time of the merged matrix products alone, at the
rate of a large product on as many threads. The table needs a column `cif`. With `--busy`, for
machines on which other programs run, times are processor seconds of the thread that takes the
steps; the others' share of the work is not counted, nor is waiting for them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.model.dense import DenseSiteNet
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch, dense_batch, ragged_batch
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal
from sitenet.train.distributed import ALONE
from sitenet.train.loop import Stepper
from sitenet.train.precision import Precision


def sample(table: Path, n_atoms: int, sites: int) -> list[MergedCrystal]:
    """Random crystals of the table (fixed seed) with P <= N, up to `sites` unique sites."""
    cifs = pd.read_parquet(table, columns=["cif"]).cif.sample(frac=1, random_state=0)
    chosen: list[MergedCrystal] = []
    room = sites
    for cif in cifs:
        try:
            crystal = featurise(read_cif(cif), FeatureSettings(n_atoms=n_atoms))
        except RejectedCrystal:
            continue
        if len(crystal.numbers) <= min(room, n_atoms):
            chosen.append(crystal)
            room -= len(crystal.numbers)
        if room < 5:
            break
    return chosen


def as_batch(path: str, crystals: list[MergedCrystal]) -> DenseBatch | RaggedBatch:
    """The crystals as the path wants them."""
    if path != "dense":
        parts = [(c.numbers, c.oxidation, c) for c in crystals]
        return ragged_batch(parts).cast(torch.float32)
    rows = [(c.numbers, c.oxidation, atom_distances(c.lattice, c.frac, c.supercell))
            for c in crystals]  # fmt: skip
    return dense_batch(rows, torch.float32)


def measure(path: str, options: argparse.Namespace) -> dict[str, float]:
    """Time and memory of one path."""
    crystals = sample(options.table, options.n, options.sites)
    batch = as_batch(path, crystals)
    kind = DenseSiteNet if path == "dense" else SiteNet
    step = stepping(kind(ModelSettings(cutoff=options.cutoff)), batch, "32-true")
    if path == "bf16":
        low = stepping(kind(ModelSettings(cutoff=options.cutoff)), batch, "bf16-mixed")
        result = timed(low, crystals, options.repeats, clock(options), beside=step)
    else:
        result = timed(step, crystals, options.repeats, clock(options))
    if path == "plain":
        with FlopCounterMode(display=False) as counter:
            step()
        result["gflop"] = counter.get_total_flops() / 1e9
        result["gflops"] = peak_gflops(clock(options))
    return result


def stepping(
    model: DenseSiteNet | SiteNet, batch: DenseBatch | RaggedBatch, precision: str
) -> Callable[[], Tensor]:
    """A training step of the model as trainings take it, which returns its loss."""
    given = Precision(precision, torch.device("cpu"))
    stepper = Stepper(model, TrainingSettings(), 1, given, ALONE)
    if isinstance(model, SiteNet):
        model.join(stepper.parameters)

    def step() -> Tensor:
        with given.forward():
            loss = model(batch).abs().mean()
        stepper.step(loss)
        return loss.detach()

    return step


def clock(options: argparse.Namespace) -> Callable[[], float]:
    """What steps are timed with."""
    return time.thread_time if options.busy else time.perf_counter


def peak_gflops(now: Callable[[], float], size: int = 2048, repeats: int = 5) -> float:
    """Rate of a product of two square matrices in float32, in 10^9 operations a second."""
    matrix = torch.randn(size, size)
    seconds = []
    for _ in range(repeats):
        start = now()
        matrix @ matrix
        seconds.append(now() - start)
    return 2 * size**3 / min(seconds) / 1e9


def timed(
    step: Callable[[], Tensor],
    crystals: list[MergedCrystal],
    repeats: int,
    now: Callable[[], float] = time.perf_counter,
    beside: Callable[[], Tensor] | None = None,
) -> dict[str, float]:
    """Seconds of the fastest of `repeats` steps (after one to warm up), and peak memory.

    `beside`: a step that takes turns with this one; the ratio of its seconds is `against`.
    """
    seconds, others = [], []
    for _ in range(repeats + 1):
        start = now()
        loss = step()
        seconds.append(now() - start)
        if beside is not None:
            start = now()
            beside()
            others.append(now() - start)
    ratio = {"against": min(others[1:]) / min(seconds[1:])} if others else {}
    return ratio | {
        "crystals": len(crystals),
        "sites": sum(len(c.numbers) for c in crystals),
        "pairs": sum(len(c.pair_class) for c in crystals),
        "unmerged_pairs": sum(len(c.numbers) ** 2 * c.images for c in crystals),
        "last_loss": float(loss.detach()),
        "seconds": min(seconds[1:]),
        "median_seconds": float(np.median(seconds[1:])),
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def report(
    results: dict[str, dict[str, float]], options: argparse.Namespace, same_loss: bool
) -> None:
    """Print one line for each path and the ratio of the two."""
    merged = results["merged"]
    print(
        f"N={options.n}, {options.threads} threads, {merged['crystals']} crystals, "
        f"{merged['sites']} unique sites, {merged['unmerged_pairs']:,} pairs, merged to "
        f"{merged['pairs']:,} ({merged['unmerged_pairs'] / merged['pairs']:.2f}x fewer)"
    )
    for path, result in results.items():
        print(
            f"  {path:6}  {result['seconds']:8.3f} s/step (median {result['median_seconds']:.3f})  "
            f"{result['sites'] / result['seconds']:10,.0f} sites/s  {result['gib']:6.2f} GiB peak"
        )
    for path in ("dense", "plain"):
        if path in results:
            result = results[path]
            print(
                f"  against {path}: {result['seconds'] / merged['seconds']:.1f}x faster, "
                f"{result['gib'] / merged['gib']:.1f}x less memory"
            )
    if "bf16" in results:
        print(f"  bf16 against merged, in turn: {results['bf16']['against']:.2f}x faster")
    if same_loss and "dense" in results:
        apart = abs(results["dense"]["last_loss"] - merged["last_loss"])
        print(f"  losses of dense and merged after the steps differ by {apart:.1e}")
    if "gflop" in results.get("plain", {}):
        gflop, rate = results["plain"]["gflop"], results["plain"]["gflops"]
        print(
            f"  floor: {gflop:.1f} GFLOP in matrix products at {rate:.0f} GFLOP/s: "
            f"{gflop / rate:.3f} s; merged takes {merged['seconds'] * rate / gflop:.1f} times that"
        )


def compare(
    measure: Callable[[str, argparse.Namespace], dict[str, float]],
    argv: list[str],
    about: str,
    same_loss: bool = True,
    paths: tuple[str, ...] = ("merged", "dense"),
) -> None:
    """Measure the paths, each in its own process, and print the comparison.

    `same_loss`: whether nothing is drawn at random, so that the losses can be compared.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="Parquet with a column cif")
    parser.add_argument("--n", type=int, default=50, help="atoms of a supercell")
    parser.add_argument("--sites", type=int, default=1200, help="unique sites of the batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cutoff", type=float, help="of the attention in A")
    parser.add_argument("--busy", action="store_true", help="processor time of one thread")
    parser.add_argument("--paths", choices=paths, nargs="+", default=paths, help="beside merged")
    parser.add_argument("--path", choices=paths, help=argparse.SUPPRESS)
    options = parser.parse_args(argv[1:])
    if options.path:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        print(json.dumps(measure(options.path, options)))
        return
    results = {}
    for path in paths:
        if path != "merged" and path not in options.paths:
            continue
        command = [sys.executable, *argv, "--path", path]
        environment = os.environ | ({"SITENET_ENGINE": "plain"} if path == "plain" else {})
        environment |= {"GOMP_SPINCOUNT": "0"} if options.busy else {}  # waiting is not work
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout
        results[path] = json.loads(output.splitlines()[-1])
    report(results, options, same_loss)


if __name__ == "__main__":
    compare(measure, sys.argv, str(__doc__), paths=("merged", "bf16", "plain", "dense"))
