"""Processor seconds and memory for cells that are hard to featurise: long, flat, large, disordered.

    OMP_NUM_THREADS=1 python benchmarks/hard_cells.py

Each cell is featurised in a process of its own at N = 50 and 500.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.structure.cif import Crystal


def crystal(edges: list[float], numbers: list[int], frac: np.ndarray) -> Crystal:
    """An orthorhombic crystal."""
    return Crystal(
        np.diag(edges), np.array(numbers), np.asarray(frac) % 1.0, np.zeros(len(numbers))
    )


def slab(height: float) -> Crystal:
    """Four atoms in a cell of 4.9 x 4.9 x `height` A."""
    frac = [[0, 0, 0.5], [0.5, 0.5, 0.5 + 1.5 / height], [0.5, 0, 0.5 + 2.5 / height],
            [0, 0.5, 0.5 - 1.7 / height]]  # fmt: skip
    return crystal([4.9, 4.9, height], [14, 14, 8, 8], np.array(frac))


def cube(edge: int, without: int = 0, noise: float = 0.0, kinds: int = 1) -> Crystal:
    """`edge`^3 atoms at random of `kinds` elements on a simple cubic lattice of 3.3 A."""
    random = np.random.default_rng(0)
    points = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    numbers = 26 + random.integers(kinds, size=len(points))
    frac = (points + random.normal(size=points.shape) * noise / 3.3) / edge
    return crystal([3.3 * edge] * 3, numbers[without:].tolist(), frac[without:])


CELLS = {
    "slab, 120 A": slab(120),
    "slab, 240 A": slab(240),
    "slab, 1000 A": slab(1000),
    "flat, 100 x 100 x 3 A": crystal(
        [100, 100, 3], [6, 7], np.array([[0, 0, 0], [0.01, 0.01, 0.5]])
    ),
    "needle, 1 x 1 x 1000 A": crystal([1, 1, 1000], [1], np.zeros((1, 3))),
    "cube of 512 atoms": cube(8),
    "cube of 1,000": cube(10),
    "cube of 1,728": cube(12),
    "cube of 1,000 less one": cube(10, without=1),
    "1,000, moved by 0.05 A": cube(10, noise=0.05),
    "1,000 of two elements": cube(10, kinds=2),
    "1,728 of two elements": cube(12, kinds=2),
}


def measure(name: str, n_atoms: int) -> tuple[float, float]:
    """Processor seconds, and peak memory in GiB."""
    start = time.process_time()
    featurise(CELLS[name], FeatureSettings(n_atoms=n_atoms))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return time.process_time() - start, peak


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    context = multiprocessing.get_context("spawn")
    for name in CELLS:
        row = [name]
        for n_atoms in (50, 500):
            with context.Pool(1) as pool:
                seconds, peak = pool.apply(measure, (name, n_atoms))
            row += [f"{seconds:.2f}", f"{peak:.2f}"]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
