"""Times the pair block: plain PyTorch against the compiled kernel, on random merged pairs.

    python benchmarks/pair_block.py [--threads 1 2] [--repeats 5]

Prints Markdown: best time of forward and of forward + backward, pairs per second, and the rate of
the four matrix products with the 48 interaction features (forward, and forward again, d inputs and
d weights in backward) as a share of the machine's peak, here the best PyTorch matrix product.
"""

import argparse
import time
from collections.abc import Callable

import torch

from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels import load
from sitenet.model.pair_block import PairWeights, pair_block

SIZES = {"N=50": (20_000, 1_100), "N=100": (40_000, 600), "N=500": (80_000, 480)}  # pairs, rows
WIDTHS = (225, 30, 48)
INPUTS, HEADS, ROWS_OF_CRYSTAL = 48, 3, 100


def best(work: Callable[[], object], repeats: int) -> float:
    """Shortest of `repeats` times in s, after one run to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def peak(repeats: int) -> float:
    """Rate of a 2048 x 2048 matrix product in FLOP/s."""
    a = torch.randn(2048, 2048)
    return 2 * 2048**3 / best(lambda: a @ a, repeats)


def problem(pairs: int, rows: int) -> tuple[list[torch.Tensor], PairIndex]:
    """Random site parts, interactions and weights; each pair's column is of the row's crystal."""
    offsets = torch.arange(rows + 1) * pairs // rows
    row = torch.repeat_interleave(torch.arange(rows), offsets.diff())
    column = row // ROWS_OF_CRYSTAL * ROWS_OF_CRYSTAL + torch.randint(0, ROWS_OF_CRYSTAL, (pairs,))
    channels = sum(WIDTHS)
    tensors = [torch.randn(rows, channels), torch.randn(rows, channels), torch.randn(pairs, INPUTS)]
    tensors += [torch.randn(channels, INPUTS) / 7, torch.ones(channels), torch.zeros(channels)]
    tensors += [torch.randn(HEADS, WIDTHS[0]) / 15, torch.zeros(HEADS)]
    leaves = [tensor.requires_grad_() for tensor in tensors]
    return leaves, PairIndex(offsets, row, column.clamp(max=rows - 1), torch.zeros(pairs))


def times(block: Callable, pairs: int, rows: int, repeats: int) -> tuple[float, float]:
    """Seconds of forward without a graph and of forward + backward."""
    leaves, indices = problem(pairs, rows)
    weight, norm_weight, norm_bias, logit_weight, logit_bias = leaves[3:]
    weights = PairWeights(weight, norm_weight, norm_bias, logit_weight, logit_bias, WIDTHS)
    evaluations = Evaluations.of_pairs(indices)
    cotangents = [torch.ones(rows, WIDTHS[1] * HEADS), torch.ones(pairs, WIDTHS[2])]

    def forward() -> None:
        with torch.no_grad():
            block(*leaves[:3], weights, indices, evaluations)

    def both() -> None:
        outputs = block(*leaves[:3], weights, indices, evaluations)[:2]
        torch.autograd.grad(outputs, leaves, cotangents)

    return best(forward, repeats), best(both, repeats)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    paths = {"plain": pair_block, "compiled": load()}
    print("| size | threads | path | forward ms | + backward ms | pairs/s | GFLOP/s | of peak |")
    print("|---|---|---|---|---|---|---|---|")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for label, (pairs, rows) in SIZES.items():
            for path, block in paths.items():
                if block is None:
                    continue
                repeats = arguments.repeats * (1 if path == "plain" else 6)
                forward, both = times(block, pairs, rows, repeats)
                rate = 8 * pairs * sum(WIDTHS) * INPUTS / both
                share = rate / peak(arguments.repeats)
                print(
                    f"| {label} | {threads} | {path} | {1e3 * forward:.1f} | {1e3 * both:.1f} "
                    f"| {pairs / both:,.0f} | {rate / 1e9:.0f} | {share:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
