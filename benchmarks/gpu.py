"""Training on the GPU: the pair block in Triton against plain PyTorch, steps replayed or launched.

    python benchmarks/gpu.py [--n 50 100 500] [--shards part-000.parquet ...] [--output gpu.csv]

For each size, path and precision, in a process of its own and with the code that trains (Table 1's
hyperparameters): the time of a step (forward, backward, clipping, optimiser) launched kernel by
kernel and replayed as a CUDA graph, each back to back with the making of its batch; what the making
of a batch takes of that; the peak memory; the error of the gradient against float64; and an epoch
of `--epoch-sites` unique sites, the second of a training over crystals that repeat. They are random
with the row lengths and pair types of Materials Project crystals at that N, or with --shards those
of featurised shards. Then the pair block alone for other tile sizes, and the kernels that take the
time.
"""

import argparse
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sitenet.model import kernels
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.pair_block import PairWeights
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.progress import setup_logging
from sitenet.shards.featurised import Featurised
from sitenet.shards.store import CrystalStore
from sitenet.train.batches import Batches
from sitenet.train.data import TaskData
from sitenet.train.devices import prepare_device
from sitenet.train.distributed import ALONE
from sitenet.train.loop import Stepper, train_batch, train_epochs
from sitenet.train.precision import Precision
from sitenet.train.replay import CHECKED, absolute_error, obstacle, replayed_error
from sitenet.train.task import LabelTask

DEVICE = torch.device("cuda", 0)
SITES = 1200
# Rows and mean pairs of a row in 1200 unique sites of random Materials Project crystals by N, and
# distances of a crystal with which random pairs have as many types as theirs.
STATISTICS = {50: (499, 31, 39), 100: (483, 68, 54), 500: (658, 388, 182)}
SPREAD, ROWS_OF_CRYSTAL = 0.32, 12  # deviation of row lengths / their mean
SPECIES_OF_CRYSTAL = 4
BATCHES = 8  # of random crystals
PATHS = {"triton": "compiled", "plain": "plain"}  # value of SITENET_ENGINE
PRECISIONS = ("float32", "tf32", "bf16")
TILES = ((16, 4), (16, 8), (32, 8), (32, 16))  # pairs, warps


def random_crystals(n: int) -> CrystalStore:
    """Crystals of BATCHES batches."""
    rows, mean, distances = STATISTICS[n]
    random = np.random.default_rng(0)
    crystals, sites = BATCHES * rows // ROWS_OF_CRYSTAL, round(ROWS_OF_CRYSTAL * SITES / rows)
    spread = 1 + SPREAD * random.standard_normal(crystals * ROWS_OF_CRYSTAL)
    lengths = (mean * spread).round().clip(1, n).astype(np.int64)
    pairs = int(lengths.sum())
    classes = np.tile(np.arange(sites) % ROWS_OF_CRYSTAL, crystals)
    elements = np.repeat(random.integers(1, 20, crystals), sites)
    numbers = elements + 20 * (classes % SPECIES_OF_CRYSTAL)
    return CrystalStore([{
        "id": np.arange(crystals).astype(str),
        "n_sites": np.full(crystals, sites),
        "n_atoms": np.full(crystals, n),
        "numbers": numbers,
        "oxidation": (numbers % 7 - 3).astype(np.float32),
        "site_class": classes,
        "site_class.length": np.full(crystals, sites),
        "row_length": lengths,
        "row_length.length": np.full(crystals, ROWS_OF_CRYSTAL),
        "pair_class": random.integers(0, ROWS_OF_CRYSTAL, pairs),
        "pair_distance": (15 / distances * random.integers(0, distances, pairs)).astype(np.float32),
        "pair_count": random.integers(1, 5, pairs),
    }])  # fmt: skip


def task(n: int, shards: list[Path]) -> TaskData:
    """Crystals with random labels."""
    store = CrystalStore.from_shards(shards) if shards else random_crystals(n)
    target = np.random.default_rng(0).standard_normal(len(store))
    ids, parts = np.array(store.ids, dtype=object), np.full(len(store), "train", dtype=object)
    return TaskData(store, Featurised(Path(), ids, parts, store.sites.numpy()), target)


class Training:
    """A task as it is trained; `step` makes one step.

    `sites`: unique sites of an epoch, for which crystals repeat (None: each once).
    """

    def __init__(self, data: TaskData, precision: str, sites: float | None = None) -> None:
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self.settings = TrainingSettings(
            batch_sites=SITES,
            max_epochs=2,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
        everyone = torch.arange(len(data.store))
        repeats = 1 if sites is None else round(sites / int(data.store.sites.sum()))
        self.batches = Batches(data, everyone.repeat(repeats), SITES, shuffle=0)
        self.task = LabelTask(
            SiteNet(ModelSettings()),
            self.settings,
            self.batches,
            Batches(data, everyone[:1], SITES),
        )

    def start(self) -> None:
        """Have everything on the GPU, as a training has it; steps are launched one by one."""
        prepare_device(DEVICE)
        self.task.start(DEVICE, ALONE)
        self.task.stop()
        self.precision = Precision(self.settings.precision, DEVICE)
        steps = len(self.batches)
        self.stepper = Stepper(self.task.model, self.settings, steps, self.precision, ALONE)
        self.endless = itertools.chain.from_iterable(itertools.repeat(self.batches))

    def step(self) -> None:
        """One step on the next batch."""
        train_batch(self.task, self.stepper, next(self.endless), 0, 0)


def time_ms(work: Callable[[], object], repeats: int) -> float:
    """Time of `work` in ms, run back to back: the median of `repeats` times ten runs."""
    times = []
    for _ in range(repeats + 1):  # the first to warm up
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 100)
    return statistics.median(times[1:])


def gradient_error(training: Training) -> float:
    """Relative error of a batch's whole gradient against the plain path in float64."""
    batch, target, *_ = next(training.endless)
    model = training.task.model

    def gradient(precision: Precision) -> torch.Tensor:
        with precision.forward():
            error = absolute_error(model, batch, target)
        parts = torch.autograd.grad(error, list(model.parameters()))
        return torch.cat([part.double().flatten() for part in parts])

    found, engine = gradient(training.precision), os.environ["SITENET_ENGINE"]
    choose("plain")
    model.double()
    batch, target = batch.cast(torch.float64), target.double()
    expected = gradient(Precision("32-true", DEVICE))
    choose(engine)
    model.float()
    return float((found - expected).norm() / expected.norm())


def choose(engine: str) -> None:
    """Set the path of the pair block."""
    os.environ["SITENET_ENGINE"] = engine
    kernels.load_gpu.cache_clear()


def measure(options: argparse.Namespace) -> dict[str, object]:
    """One line of the table."""
    choose(PATHS[options.path])
    data = task(options.n[0], options.shards)
    training = Training(data, options.precision)
    training.start()
    result: dict[str, object] = {
        "n": "shards" if options.shards else options.n[0],
        "path": options.path,
        "precision": options.precision,
        "pairs": training.batches.limit,
        "gradient_error": gradient_error(training),
    }
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    result["step_ms"] = time_ms(training.step, options.repeats)
    result["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    result["batch_ms"] = time_ms(lambda: next(training.endless), options.repeats)
    result |= replayed(training, options.repeats)
    if options.path == "triton":
        del training
        result |= epoch(Training(data, options.precision, options.epoch_sites))
    return result


def replayed(training: Training, repeats: int) -> dict[str, object]:
    """Time of a replayed step and memory with the graph, or why there is none."""
    task, settings = training.task, training.settings
    task.replayed = replayed_error(task.model, settings, DEVICE, training.batches)
    if task.replayed is None:
        return {"no_graph": obstacle(task.model, settings, DEVICE)}
    took = time_ms(training.step, repeats)
    if task.replayed.failed or task.replayed.checked < CHECKED:
        return {"no_graph": "failed, see the log"}
    return {"graph_ms": took, "graph_gib": torch.cuda.max_memory_allocated() / 2**30}


def epoch(training: Training) -> dict[str, object]:
    """Seconds of the second epoch of a training as the pipeline runs it, without the validation."""
    with tempfile.TemporaryDirectory() as folder:
        trained = train_epochs(training.task, training.settings, DEVICE, Path(folder))
    crystals = len(training.batches.indices)
    return {
        "epoch_s": crystals / trained.history.rows[-1]["structures_per_second"],
        "epoch_crystals": crystals,
        "epoch_steps": len(training.batches),
    }


def block_alone(n: int) -> tuple[list[torch.Tensor], Callable[[], object]]:
    """Leaves of the first block's pair networks for a random batch, and forward + backward."""
    from sitenet.model.kernels import pair_block_gpu

    store = random_crystals(n).to(DEVICE)
    batch = store.batch(torch.arange(len(store) // BATCHES))
    rows, types, widths = batch.numbers.numel(), batch.type_first.numel(), (225, 30, 48)
    shapes = [(rows, 303), (rows, 303), (types, 48), (303, 48), (303,), (303,), (3, 225), (3,)]
    leaves = [torch.randn(shape, device=DEVICE).div_(4).requires_grad_() for shape in shapes]
    own, other, interactions, weight, norm_weight, norm_bias, logit_weight, logit_bias = leaves
    weights = PairWeights(weight, norm_weight, norm_bias, logit_weight, logit_bias, widths)
    log_count = batch.pair_count.log()
    pairs = PairIndex(batch.row_offsets, batch.pair_row, batch.pair_column, log_count)
    evaluations = Evaluations.of_types(pairs, batch.pair_type, batch.type_first)
    given = [torch.randn(rows, 90, device=DEVICE), torch.randn(types, 48, device=DEVICE)]

    def work() -> None:
        found = pair_block_gpu.pair_block(own, other, interactions, weights, pairs, evaluations)
        torch.autograd.grad(found[:2], leaves, given)

    return leaves, work


def sweep(n: int, repeats: int) -> None:
    """Times forward + backward of one block for other tiles and kinds of float32 products."""
    from sitenet.model.kernels import gpu_backward, gpu_forward, gpu_tiles

    usual = gpu_tiles.tile_options
    _, work = block_alone(n)
    print(f"one block, N={n}, forward + backward, as it is: {time_ms(work, repeats):.3f} ms")
    for (tile, warps), product in itertools.product(TILES, ("tf32x3", "tf32", "ieee")):
        change = {"TILE": tile, "num_warps": warps, "PRECISION": product}
        for module in (gpu_forward, gpu_backward):
            setattr(module, "tile_options", lambda *a, change=change: usual(*a) | change)  # noqa: B010
        took = time_ms(work, repeats)
        print(f"  {tile:3} pairs, {warps:2} warps, {product:6}  {took:.3f} ms", flush=True)
    for module in (gpu_forward, gpu_backward):
        setattr(module, "tile_options", usual)  # noqa: B010


def profile(n: int) -> None:
    """Print the device functions of one step that take the time."""
    choose("compiled")
    training = Training(task(n, []), "float32")
    training.start()
    for _ in range(3):
        training.step()
    kinds = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=kinds) as found:
        training.step()
        torch.cuda.synchronize()
    print(found.key_averages().table(sort_by="self_device_time_total", row_limit=15))


def table(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure every size, path and precision, each in its own process; print as they come."""
    heads = ("N", "path", "precision", "pairs", "step ms", "replayed ms", "batch ms", "GiB",
             "error", "epoch s")  # fmt: skip
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    results = []
    sizes = options.n[:1] if options.shards else options.n
    for n, path, precision in itertools.product(sizes, PATHS, PRECISIONS):
        command = [sys.executable, *sys.argv, "--path", path, "--precision", precision]
        done = subprocess.run([*command, "--n", str(n)], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"| {n} | {path} | {precision} | failed |", flush=True)
            continue
        r = json.loads(done.stdout.splitlines()[-1])
        results.append(r)
        graph = f"{r['graph_ms']:.2f}" if "graph_ms" in r else f"none: {r['no_graph']}"
        epoch = f"{r['epoch_s']:.1f}" if "epoch_s" in r else ""
        print(
            f"| {r['n']} | {path} | {precision} | {r['pairs']:,} | {r['step_ms']:.2f} | {graph} "
            f"| {r['batch_ms']:.2f} | {r['peak_gib']:.2f} | {r['gradient_error']:.1e} | {epoch} |",
            flush=True,
        )
    return results


def main() -> None:
    """Print the tables; exit with a message where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", choices=STATISTICS, default=[*STATISTICS])
    parser.add_argument("--shards", type=Path, nargs="+", default=[], help="featurised crystals")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--epoch-sites", type=float, default=2.55e6, help="Matbench gap: 2.55 M")
    parser.add_argument("--output", type=Path, help="CSV of the table")
    parser.add_argument("--path", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=PRECISIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py needs a CUDA GPU and a PyTorch built for it; there is none.")
    setup_logging()
    if options.path:
        print(json.dumps(measure(options)))
        return
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {SITES} unique sites")
    results = table(options)
    if options.output and results:
        with open(options.output, "w", newline="") as file:
            columns = list(dict.fromkeys(key for r in results for key in r))
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(results)
    sweep(max(options.n), options.repeats)
    profile(max(options.n))


if __name__ == "__main__":
    main()
