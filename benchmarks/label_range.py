"""What local surroundings tell about the labels of the default data.

    python benchmarks/label_range.py --crystals 2300

Error of extremely randomised trees that see the composition, the density, and the numbers and
charges of the neighbours of an average ion up to 3.5 A (its first shell), on crystals of other
formulas and on crystals of other prototypes, as a fraction of the error of the median of the
training labels. A label of short range is nearly given away; one that depends on ions beyond the
first shell is not. The last column is the mean of the training crystals of the same prototype, on
crystals of other formulas.
"""

import argparse

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from sitenet.options.datasets import PrototypesSource
from sitenet.sources import prototypes
from sitenet.sources.neighbours import contacts
from sitenet.sources.records import RawRecord
from sitenet.structure.cif import read_cif
from sitenet.structure.oxidation import guess_oxidation

FIRST_SHELL = 3.5  # A
STEP = 0.25  # A
TEST = 0.2


def surroundings(record: RawRecord) -> NDArray[np.float64]:
    """Composition, charges, density, and neighbours by distance: counted, and with charges."""
    crystal = read_cif(record.cif)
    numbers, charges = crystal.numbers, guess_oxidation(crystal.numbers)
    composition = np.bincount(numbers, minlength=104) / len(numbers)
    volume = abs(np.linalg.det(crystal.lattice)) / len(numbers)
    first, second, distance = contacts(crystal.lattice, crystal.frac, FIRST_SHELL)
    products = charges[first] * charges[second] / np.sum(charges**2)
    edges = np.arange(1.0, FIRST_SHELL + STEP / 2, STEP)
    counts = [
        np.histogram(distance, edges, weights=weights)[0]
        for weights in (np.full(len(distance), 1 / len(numbers)), products)
    ]
    totals = [volume, np.mean(charges**2), charges.max(), charges.min()]
    return np.concatenate([composition, totals, *counts])


def relative_error(
    predicted: NDArray[np.float64], target: NDArray[np.float64], median: float
) -> float:
    return float(np.abs(predicted - target).mean() / np.abs(target - median).mean())


def held_out(groups: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Crystals of a fifth of the groups."""
    names = np.unique(groups)
    chosen = np.random.default_rng(seed).permutation(names)[: round(TEST * len(names))]
    return np.isin(groups, chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--crystals", type=int, default=2300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source = PrototypesSource(kind="prototypes", seed=0, crystals=arguments.crystals)
    records = [r for r in prototypes.records(source) if isinstance(r, RawRecord)]
    features = np.stack([surroundings(record) for record in records])
    kinds = np.array([record.id.rpartition("-")[0] for record in records])
    formulas = np.array([record.id.rpartition("-")[2] for record in records])
    print(f"{len(records):,} crystals of {len(set(kinds))} prototypes, seed {arguments.seed}\n")
    rows = []
    for name in records[0].labels:
        labels = np.array([record.labels[name] for record in records], dtype=float)
        row: dict[str, object] = {"label": name}
        for title, groups in (("other formulas", formulas), ("other prototypes", kinds)):
            test = held_out(groups, arguments.seed)
            trees = ExtraTreesRegressor(200, max_features=0.5, random_state=arguments.seed)
            predicted = trees.fit(features[~test], labels[~test]).predict(features[test])
            row[title] = relative_error(predicted, labels[test], np.median(labels[~test]))
        test = held_out(formulas, arguments.seed)
        known = pd.Series(labels[~test]).groupby(kinds[~test]).mean()
        mean = known.reindex(kinds[test]).fillna(labels[~test].mean()).to_numpy()
        row["mean of the prototype"] = relative_error(mean, labels[test], np.median(labels[~test]))
        rows.append(row)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
