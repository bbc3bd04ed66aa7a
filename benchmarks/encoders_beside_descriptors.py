"""What encoders add to descriptors where labels are few: trainings of a kind are the sample.

    python benchmarks/encoders_beside_descriptors.py --configfile config/pretext.yaml \\
        --kind computed

For the tasks of the section `encoders`, whose encoders must have been made. The error is that of
the mean of ridge regression, extremely randomised trees and a Gaussian process, each on all
columns: those of `sitenet fit` (descriptors of composition and bonds), the same with Z of an
untrained encoder, and with Z of the trained one; and Z alone.
Medians over the draws of labels, means over encoders; in brackets the change in percent from the
first row, and its 95 % interval over the encoders.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from sitenet.analysis.over_trainings import paired_difference
from sitenet.crystal.featurise import featurise
from sitenet.few.arms import Arm, Crystals, fit_arm, predict_arm, with_logarithms
from sitenet.few.descriptors import BONDS, COMPOSITION, describe
from sitenet.few.drawn_crystals import drawn_ids
from sitenet.few.encoder_vectors import Z
from sitenet.few.encoders import N_ATOMS
from sitenet.model.description import read_description
from sitenet.model.inference import embed
from sitenet.model.saving import load_model
from sitenet.options.config import overlaid
from sitenet.options.features import FeatureSettings
from sitenet.options.representation import RepresentationSettings
from sitenet.plan.configuration import complete
from sitenet.plan.encoders import ComparedEncoder, ComparedTask
from sitenet.plan.plan import Plan
from sitenet.shards.store import CrystalStore
from sitenet.sources.structure_table import iter_crystals
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import read_by_id
from sitenet.train.pretrain import initial_encoder

ROOT = Path(__file__).resolve().parents[1]
Float = NDArray[np.float64]

ALL = ("ridge", "trees", "gp")
DESCRIPTORS = (COMPOSITION, BONDS)


class Described(NamedTuple):
    """Crystals of a data set: places by id, and groups of columns."""

    place: dict[str, int]
    table: Crystals


def described(structures: Path, wanted: set[str], encoders: Sequence[ComparedEncoder]) -> Described:
    """Descriptors and vectors of crystals; those without are left out."""
    features = FeatureSettings(n_atoms=N_ATOMS)
    ids, crystals = [], []
    for name, one in iter_crystals(structures):
        if name in wanted:
            ids.append(name)
            crystals.append(featurise(one, features))
    found = describe(crystals)
    sound = [k for k, problem in enumerate(found.problems) if not problem]
    store = CrystalStore.from_crystals([ids[k] for k in sound], [crystals[k] for k in sound])
    groups = {name: values[sound] for name, values in found.groups.items()}
    for encoder in encoders:
        about = read_description(Path(encoder.weights))
        seed = about.content["training"]["seed"]
        for state, network in (("trained", load_model(Path(encoder.weights))),
                               ("untrained", initial_encoder(about.model, seed))):  # fmt: skip
            groups[f"{state} {encoder.number}"] = embed(network, store).astype(np.float64)
    sizes = np.array([len(crystals[k].numbers) for k in sound])
    table = Crystals(groups, np.array([ids[k] for k in sound], dtype=object), sizes)
    return Described({ids[k]: row for row, k in enumerate(sound)}, table)


def error(
    about: Described, groups: tuple[str, ...], models: Sequence[Any], ln: bool,
    pool: list[str], test: list[str], label: dict[str, float], draw: tuple[int, int],
) -> float:  # fmt: skip
    """Test MAE of the mean of some models on the labels of a draw."""
    count, mask = draw
    names = [pool[k] for k in label_mask(pool, count, mask)]
    rows, asked = (np.array([about.place[name] for name in some]) for some in (names, test))
    target = np.array([label[name] for name in names])
    found = []
    for model in models:
        arm = Arm(model, groups, ln=ln)
        found.append(predict_arm(arm, fit_arm(arm, about.table, rows, target, mask), about.table,
                                 asked))  # fmt: skip
    truth = np.array([label[name] for name in test])
    return float(np.abs(np.mean(found, axis=0) - truth).mean())


def rows_of(numbers: Sequence[int]) -> dict[str, tuple[list[tuple[str, ...]], tuple[str, ...]]]:
    """Groups of columns, one for each encoder where it has any, and models, by name of the row."""
    trained, untrained = ([f"{state} {k}" for k in numbers] for state in ("trained", "untrained"))
    return {
        "composition and bonds": ([DESCRIPTORS], ALL),
        f"with untrained {Z}": ([(*DESCRIPTORS, one) for one in untrained], ALL),
        f"with trained {Z}": ([(*DESCRIPTORS, one) for one in trained], ALL),
        f"untrained {Z} alone": ([(one,) for one in untrained], ALL),
        f"trained {Z} alone": ([(one,) for one in trained], ALL),
        "composition, trees": ([(COMPOSITION,)], ("trees",)),
    }


def columns_of(
    task: ComparedTask, about: Described, encoders: Sequence[ComparedEncoder], draws: int
) -> dict[int, dict[str, list[float]]]:
    """Median error over the draws, for each encoder, by number of labels and row."""
    settings = RepresentationSettings.from_dict(task.settings)
    pool, test = drawn_ids(read_parts(Path(task.split)), settings)
    pool, test = ([name for name in some if name in about.place] for some in (pool, test))
    both = pool + test
    values = read_by_id(Path(task.labels), both, [task.task])[task.task]
    label = dict(zip(both, values, strict=True))
    known = np.array([label[name] for name in pool])
    ln = any(arm.ln for arm in with_logarithms([Arm("ridge", DESCRIPTORS)], known))
    return {
        count: {
            name: [
                float(np.median([
                    error(about, groups, models, ln, pool, test, label, (count, mask))
                    for mask in range(draws)
                ]))
                for groups in every
            ]
            for name, (every, models) in rows_of([one.number for one in encoders]).items()
        }
        for count in settings.label_counts
    }  # fmt: skip


def cell(errors: list[float], control: float) -> str:
    """Mean error, its change in percent and the interval of that."""
    mean = np.mean(errors)
    ratios = np.log(np.array(errors) / control)
    shown = f"{mean:.3f}" if mean < 10 else f"{mean:.1f}"
    if not ratios.any():
        return shown
    found = paired_difference(ratios)
    percent, low, high = (100 * np.expm1(v) for v in (found.value, found.low, found.high))
    interval = "" if np.isnan(low) else f" [{low:+.0f}, {high:+.0f}]"
    return f"{shown} ({percent:+.1f}{interval})"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--configfile", nargs="+", required=True, help="as for snakemake")
    parser.add_argument("--kind", required=True, help="of the section `encoders`")
    parser.add_argument("--draws", type=int, default=5, help="of the labels")
    options = parser.parse_args()
    given: dict[str, Any] = {}
    for file in options.configfile:
        given = overlaid(given, yaml.safe_load(Path(file).read_text()))
    plan = Plan(complete(given, ROOT, options.configfile))
    encoders = [one for one in plan.compared if one.kind == options.kind]
    known: dict[str, Described] = {}
    for task in plan.compared_tasks:
        if task.dataset.name not in known:
            settings = RepresentationSettings.from_dict(task.settings)
            wanted = {
                name
                for one in plan.compared_tasks
                if one.dataset.name == task.dataset.name
                for part in drawn_ids(read_parts(Path(one.split)), settings)
                for name in part
            }
            known[task.dataset.name] = described(Path(task.structures), wanted, encoders)
        found = columns_of(task, known[task.dataset.name], encoders, options.draws)
        heads = [f"{task.title} ({task.unit}): {count}" for count in found]
        print(f"| {options.kind}, {len(encoders)} encoders | {' | '.join(heads)} |")
        print("| --- " + "| ---: " * len(heads) + "|")
        for name in rows_of([]):
            first = [errors["composition and bonds"][0] for errors in found.values()]
            cells = [cell(errors[name], one)
                     for errors, one in zip(found.values(), first, strict=True)]  # fmt: skip
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        print()


if __name__ == "__main__":
    main()
