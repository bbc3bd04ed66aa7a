"""How the crystals of a task are divided into training, validation and test."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import LARGEST_SEED, Options, option


@dataclass(frozen=True)
class SplitSettings(Options):
    """How the crystals of a data set are divided into training, validation and test.

    All crystals are divided, and each task has those with a label: a crystal is in the same part
    for every task.
    """

    kind: Literal["grouped", "prototype", "random", "matbench", "column"] = option(
        "grouped",
        "`grouped`: crystals of one reduced formula stay in one part. `prototype`: crystals of one "
        "structure type do (anonymous formula, space group, sites of the primitive cell), as for "
        "predictions of new structures. `random`: each crystal by itself. `matbench`: an official "
        "fold of a Matbench task. `column`: a text column of the source says `train`, `val` or "
        "`test`.",
    )
    seed: int = option(0, "Seed of all random choices.", at_least=0, at_most=LARGEST_SEED)
    test: float = option(
        0.2,
        "Share of all crystals for testing (`grouped`, `prototype`, `random`).",
        more_than=0,
        less_than=1,
    )
    validation: float = option(
        0.05,
        "Share of the remaining crystals for validation; with `column`, only where the column "
        "never says `val`.",
        more_than=0,
        less_than=1,
    )
    folds: int | None = option(
        None,
        "Cross-validation, for small data sets (`grouped`, `prototype`, `random`): a run with seed "
        "s is tested on part s (modulo `folds`) of this number of equal parts, validated on the "
        "next and trained on the others, in place of the shares `test` and `validation`. null: one "
        "split for all runs.",
        at_least=3,
        at_most=100,
    )
    fold: int = option(0, "Number of the Matbench fold (`matbench`).", at_least=0, at_most=4)
    column: str = option("split", "Column with the part of each crystal (`column`).")
    hold_out: tuple[str, ...] = option(
        (),
        "Names of other data sets: crystals with a formula of theirs are in no part, so that what "
        "is trained here may be used for them. Ids mean nothing in another data set.",
        unique=True,
    )
    train_size: int | None = option(
        None,
        "Number of training crystals that are kept, drawn by the seed; null keeps all.",
        at_least=1,
    )
