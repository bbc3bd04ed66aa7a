"""Training step on the GPU: the pair block in Triton against plain PyTorch.

    python benchmarks/gpu.py [--n 50 100 500] [--shards part-000.parquet ...] [--output gpu.csv]

For each size, path and precision, in a process of its own: the median time of a step (forward,
backward, clipping, optimiser; Table 1's hyperparameters) launched as usual and replayed as a CUDA
graph, the peak memory, the error of the gradient against float64, and the time of an epoch of
`--epoch-sites` unique sites, run step by step over batches that repeat. The batches are random with
the row lengths of Materials Project crystals at that N, or with --shards the crystals of featurised
shards. Then the pair block alone for other tile sizes, and the kernels that take the time.
"""

import argparse
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sitenet.model import kernels
from sitenet.model.pair_block import Pairs, PairWeights
from sitenet.model.ragged import SiteNet
from sitenet.model.settings import ModelSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.train.optimiser import make_optimiser
from sitenet.train.settings import TrainingSettings

SITES = 1200
# Rows and mean pairs of a row in 1200 unique sites of random Materials Project crystals by N.
STATISTICS = {50: (499, 31), 100: (483, 68), 500: (658, 388)}
SPREAD, ROWS_OF_CRYSTAL = 0.32, 12  # deviation of row lengths / their mean
PATHS = {"triton": "compiled", "plain": "plain"}  # value of SITENET_ENGINE
PRECISIONS = ("float32", "tf32", "bf16")
TILES = ((16, 4), (16, 8), (32, 8), (32, 16))  # pairs, warps


def random_batch(n: int, seed: int) -> RaggedBatch:
    """A batch of SITES unique sites on the CPU, float32."""
    rows, mean = STATISTICS[n]
    generator = torch.Generator().manual_seed(seed)
    lengths = mean * (1 + SPREAD * torch.randn(rows, generator=generator))
    lengths = lengths.round().long().clamp(1, n)
    crystal = torch.arange(rows) // ROWS_OF_CRYSTAL
    sizes = torch.bincount(crystal)
    pairs = int(lengths.sum())
    row = torch.repeat_interleave(torch.arange(rows), lengths)
    within = (torch.rand(pairs, generator=generator) * sizes[crystal[row]]).long()
    return RaggedBatch(
        numbers=torch.randint(1, 90, (rows,), generator=generator),
        oxidation=torch.randint(-3, 5, (rows,), generator=generator).float(),
        site_weight=torch.full((rows,), SITES / rows),
        crystal=crystal,
        sizes=sizes * (SITES / rows),
        row_offsets=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
        pair_row=row,
        pair_column=crystal[row] * ROWS_OF_CRYSTAL + within,
        pair_distance=15 * torch.rand(pairs, generator=generator),
        pair_count=torch.randint(1, 5, (pairs,), generator=generator).float(),
    )


def batches(n: int, shards: list[Path]) -> tuple[list[Callable[[], RaggedBatch]], float]:
    """Functions that give a batch on the GPU, and the mean number of unique sites of one."""
    if not shards:
        made = [random_batch(n, seed).to("cuda") for seed in range(8)]
        return [lambda batch=batch: batch for batch in made], SITES
    from sitenet.shards.packing import pack
    from sitenet.shards.store import CrystalStore

    store = CrystalStore.from_shards(shards)
    groups = [torch.from_numpy(group) for group in pack(store.sites.numpy(), SITES, seed=(0,))]
    store.to("cuda")
    chosen = [group.to("cuda") for group in groups]
    sites = int(store.sites.sum()) / len(groups)
    return [lambda group=group: store.batch(group) for group in chosen], sites


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Median time of `work` on the device in ms, after five runs to warm up."""
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        stop.record()
        stop.synchronize()
        times.append(start.elapsed_time(stop))
    return statistics.median(times)


def captured(work: Callable[[], object]) -> Callable[[], object]:
    """`work` as a CUDA graph; RuntimeError where it waits for the device."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class Training:
    """Model and optimiser; calling it with a batch makes one step."""

    def __init__(self, precision: str) -> None:
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self.low = precision == "bf16"
        self.model = SiteNet(ModelSettings()).to("cuda")
        self.optimiser = make_optimiser(self.model, TrainingSettings())
        for group in self.optimiser.param_groups:
            group["capturable"] = True

    def backward(self, batch: RaggedBatch) -> None:
        """Gradients of the mean absolute label."""
        self.optimiser.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=self.low, cache_enabled=False):
            loss = self.model(batch).abs().mean()
        loss.backward()

    def __call__(self, batch: RaggedBatch) -> None:
        self.backward(batch)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()


def gradient_error(training: Training, batch: RaggedBatch) -> float:
    """Relative error of the whole gradient against the plain path in float64."""

    def gradient() -> torch.Tensor:
        training.backward(batch)
        return torch.cat([p.grad.double().ravel() for p in training.model.parameters()])

    found, low, engine = gradient(), training.low, os.environ["SITENET_ENGINE"]
    training.model.double()
    training.low, batch = False, batch.cast(torch.float64)
    choose("plain")
    expected = gradient()
    choose(engine)
    training.model.float()
    training.low = low
    return float((found - expected).norm() / expected.norm())


def choose(engine: str) -> None:
    """Set the path of the pair block."""
    os.environ["SITENET_ENGINE"] = engine
    kernels.load_gpu.cache_clear()


def measure(options: argparse.Namespace) -> dict[str, object]:
    """One line of the table."""
    choose(PATHS[options.path])
    made, sites = batches(options.n[0], options.shards)
    batch = made[0]()
    error = gradient_error(Training(options.precision), batch)
    training = Training(options.precision)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    result: dict[str, object] = {
        "n": "shards" if options.shards else options.n[0],
        "path": options.path,
        "precision": options.precision,
        "rows": batch.numbers.numel(),
        "pairs": batch.pair_row.numel(),
        "step_ms": median_ms(lambda: training(batch), options.repeats),
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
        "gradient_error": error,
    }
    steps = round(options.epoch_sites / sites)
    if options.path == "triton":
        torch.cuda.synchronize()
        start = time.perf_counter()
        for make in itertools.islice(itertools.cycle(made), steps):
            training(make())
        torch.cuda.synchronize()
        result["epoch_s"] = time.perf_counter() - start
    try:
        result["graph_ms"] = median_ms(captured(lambda: training(batch)), options.repeats)
    except RuntimeError as failure:
        result["no_graph"] = str(failure).splitlines()[0]
    return result


def block_alone(n: int) -> tuple[list[torch.Tensor], Callable[[], object]]:
    """Leaves of the first block's pair networks for a random batch, and forward + backward."""
    from sitenet.model.kernels import gpu

    batch = random_batch(n, 0).to("cuda")
    rows, pairs, widths = batch.numbers.numel(), batch.pair_row.numel(), (225, 30, 48)
    shapes = [(rows, 303), (rows, 303), (pairs, 48), (303, 48), (303,), (303,), (3, 225), (3,)]
    leaves = [torch.randn(shape, device="cuda").div_(4).requires_grad_() for shape in shapes]
    weights = PairWeights(*leaves[3:], widths)
    indices = Pairs(batch.row_offsets, batch.pair_row, batch.pair_column, batch.pair_count.log())
    given = [torch.randn(rows, 90, device="cuda"), torch.randn(pairs, 48, device="cuda")]

    def work() -> None:
        outputs = gpu.pair_block(*leaves[:3], weights, indices)[:2]
        torch.autograd.grad(outputs, leaves, given)

    return leaves, work


def sweep(n: int, repeats: int) -> None:
    """Times forward + backward of one block for other tiles and kinds of float32 products."""
    from sitenet.model.kernels import gpu_backward, gpu_forward, gpu_tiles

    usual = gpu_tiles.tile_options
    _, work = block_alone(n)
    print(f"one block, N={n}, forward + backward, as it is: {median_ms(work, repeats):.3f} ms")
    for (tile, warps), product in itertools.product(TILES, ("tf32x3", "tf32", "ieee")):
        change = {"TILE": tile, "num_warps": warps, "PRECISION": product}
        for module in (gpu_forward, gpu_backward):
            module.tile_options = lambda *a, change=change: usual(*a) | change
        took = median_ms(work, repeats)
        print(f"  {tile:3} pairs, {warps:2} warps, {product:6}  {took:.3f} ms", flush=True)
    for module in (gpu_forward, gpu_backward):
        module.tile_options = usual


def profile(n: int) -> None:
    """Print the device functions of one step that take the time."""
    choose("compiled")
    training, batch = Training("float32"), random_batch(n, 0).to("cuda")
    for _ in range(3):
        training(batch)
    kinds = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=kinds) as found:
        training(batch)
        torch.cuda.synchronize()
    print(found.key_averages().table(sort_by="self_device_time_total", row_limit=15))


def table(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure every size, path and precision, each in its own process; print as they come."""
    print("| N | path | precision | rows | pairs | step ms | graph ms | GiB | error | epoch s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
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
            f"| {r['n']} | {path} | {precision} | {r['rows']} | {r['pairs']:,} "
            f"| {r['step_ms']:.2f} | {graph} | {r['peak_gib']:.2f} | {r['gradient_error']:.1e} "
            f"| {epoch} |",
            flush=True,
        )
    return results


def main() -> None:
    """Print the tables; exit with a message where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", choices=STATISTICS, default=[*STATISTICS])
    parser.add_argument("--shards", type=Path, nargs="+", default=[], help="featurised crystals")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--epoch-sites", type=float, default=2.55e6, help="Matbench gap: 2.55 M")
    parser.add_argument("--output", type=Path, help="CSV of the table")
    parser.add_argument("--path", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=PRECISIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py needs a CUDA GPU and a PyTorch built for it; there is none.")
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
