"""Ridge regression on representations of pre-trained encoders, beside their untrained controls.

    python benchmarks/representations.py --configfile config/table.yaml mine.yaml \
        --pretrainings seed0 seed1 seed2 --tasks formation_energy band_gap

The pre-trainings of the configuration must have been made (they differ in their seeds, say), and so
the splits of the tasks. Labels are drawn from the training part, and errors are of the test part.
Each pre-training gives a median over the draws: the table has the smallest and the largest.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from sitenet.evaluate.representation import PENALTIES, standardised
from sitenet.files import read_json
from sitenet.model.inference import infer
from sitenet.model.layers import segment_mean
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.config import overlaid
from sitenet.options.model import ModelSettings
from sitenet.plan.configuration import complete
from sitenet.plan.plan import Plan
from sitenet.plan.pretraining import Pretraining
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.featurised import read_featurised
from sitenet.shards.open_store import open_store
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import read_by_id
from sitenet.train.pretrain import initial_encoder

ROOT = Path(__file__).resolve().parents[1]
Float = NDArray[np.float64]


def representations(encoder: SiteNet, batch: RaggedBatch) -> torch.Tensor:
    """What the encoder makes of crystals, side by side (B, sum of `widths`)."""

    def mean(rows: torch.Tensor) -> torch.Tensor:
        return segment_mean(rows, batch.site_weight, batch.crystal, batch.sizes)

    atoms = encoder.sites(batch)
    pooled = mean(encoder.pre_pool(atoms, batch.site_weight))
    crystals = encoder.crystal_vectors(atoms, batch.site_weight, batch.crystal, batch.sizes)
    known = encoder.features(batch.numbers, batch.oxidation)
    spread = (mean(known.square()) - mean(known).square()).clamp(min=0).sqrt()
    return torch.cat([mean(atoms), pooled, crystals, mean(known), spread], 1)


def named(encoder: SiteNet, store: Any) -> dict[str, Float]:
    """Each representation (n, width) of all crystals of a store, by name."""
    settings = encoder.settings
    widths = {
        "atoms' mean": encoder.local_width,
        "pooled": settings.pre_pool_layers[-1],
        "Z": encoder.crystal_width,
    }
    joined = np.concatenate([*infer(encoder, lambda b: representations(encoder, b), store)])
    parts = np.split(joined.astype(np.float64), np.cumsum([*widths.values()]), axis=1)
    return dict(zip([*widths, "site features"], parts, strict=True))


def encoders(pretraining: Pretraining) -> Iterator[tuple[str, SiteNet]]:
    """The encoder, and the weights that it began with."""
    about = read_json(Path(pretraining.description))
    yield "pre-trained", load_model(Path(pretraining.weights), Path(pretraining.description))
    settings, seed = ModelSettings.from_dict(about["model"]), about["training"]["seed"]
    yield "untrained", initial_encoder(settings, seed)


def error(
    vectors: Float, labels: Float, pool: Sequence[str], rows: dict[str, int], test: Any, seed: int,
    count: int,
) -> float:  # fmt: skip
    """Test MAE of ridge regression on `count` labels that `seed` draws from the pool."""
    chosen = [rows[pool[k]] for k in label_mask(pool, count, seed)]
    train, other = standardised(vectors[chosen], vectors[test])
    model = RidgeCV(PENALTIES).fit(train, labels[chosen])
    return float(np.abs(model.predict(other) - labels[test]).mean())


def medians(plan: Plan, name: str, options: argparse.Namespace) -> dict[tuple[str, str], list]:
    """Median error over the draws for every task and number of labels, by representation."""
    pretraining = plan.pretraining(name)
    crystals = pretraining.crystals
    shards = [Path(path) for path in crystals.shards]
    store = open_store(shards, None, 2**33)
    rows = {one: k for k, one in enumerate(store.ids)}
    found: dict[tuple[str, str], list] = {}
    for state, encoder in encoders(pretraining):
        for kind, vectors in named(encoder, store).items():
            if kind == "site features" and state == "pre-trained":
                continue
            errors = found.setdefault((kind, state), [])
            for task in options.tasks:
                parts = read_parts(Path(crystals.dataset.split(task)))
                known = read_featurised(shards, parts)
                pool = known.ids[known.indices("train", crystals.n)].tolist()
                test = [rows[one] for one in known.ids[known.indices("test")]]
                table = read_by_id(Path(crystals.dataset.labels(task)), known.ids.tolist(), [task])
                labels = np.full(len(store), np.nan)
                labels[[rows[one] for one in known.ids]] = table[task]
                for count in options.labels:
                    draws = (
                        error(vectors, labels, pool, rows, test, seed, count)
                        for seed in range(options.draws)
                    )
                    errors.append(float(np.median([*draws])))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--configfile", nargs="+", required=True, help="as for snakemake")
    parser.add_argument("--pretrainings", nargs="+", required=True, help="of the configuration")
    parser.add_argument("--tasks", nargs="+", required=True, help="of their data set")
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 250, 1000])
    parser.add_argument("--draws", type=int, default=20, help="of the labels")
    options = parser.parse_args()
    given: dict[str, Any] = {}
    for file in options.configfile:
        given = overlaid(given, yaml.safe_load(Path(file).read_text()))
    plan = Plan(complete(given, ROOT, options.configfile))
    found = [medians(plan, name, options) for name in options.pretrainings]
    heads = [f"{task}: {count:,}" for task in options.tasks for count in options.labels]
    print(f"| ridge, test MAE | {' | '.join(heads)} |")
    print("| --- " + "| ---: " * len(heads) + "|")
    for kind, state in found[0]:
        every = np.array([one[kind, state] for one in found])
        cells = [
            f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f}-{high:.3f}"
            for low, high in zip(every.min(0), every.max(0), strict=True)
        ]
        label = kind if kind == "site features" else f"{kind}, {state}"
        print(f"| {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
