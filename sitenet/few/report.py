"""What a fit found, as a table of arms and in words, with paired tests."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.paired_tests import holm, signed_rank
from sitenet.evaluate.rounding import after_number, in_brackets
from sitenet.few.arms import RANDOM_WEIGHTS, WORDS, Arm
from sitenet.few.choice import STACK
from sitenet.few.encoders import Encoder
from sitenet.few.labels import Label
from sitenet.few.nested import Nested

Float = NDArray[np.float64]

CHOSEN = "chosen"
"""The procedure: in each fold the arm or stack that the other folds chose."""

WITHOUT = "chosen without encoders"
"""In learning curves: what would be chosen among the arms on descriptors alone."""

LEVEL = 0.05

LITTLE = 0.01
"""Share of an error below which a difference is little, however many crystals it is seen in."""

TOLD = 5
"""Arms of a stack that are named in words."""


def comparison(
    candidates: Sequence[Arm], judged: Nested, label: Float, formulas: NDArray
) -> pd.DataFrame:
    """A row for the choosing procedure and for each arm, the best first.

    arm. what: in words. mae: mean absolute error of the outer folds, in the label's unit. se: its
    standard error over formulas. rmse. ln: whether the logarithm of the label was better. weight:
    in what is saved. difference, p, p_holm: mean difference of the error from that of the
    procedure, and the signed-rank test of it over formulas, without and with Holm's correction.
    """
    choice = judged.choice
    weights = {candidates[k].key: weight for k, weight in choice.weights.items()}
    chosen = np.abs(judged.honest - label)
    rows = []
    for name, values in {CHOSEN: judged.honest, **judged.by_arm}.items():
        error = np.abs(values - label)
        grouped = by_formula(error - chosen, formulas)
        arm = candidates[choice.best[name]] if name in choice.best else None
        rows.append({
            "arm": name,
            "what": _words(name, arm, candidates),
            "mae": error.mean(),
            "se": _standard_error(error, formulas),
            "rmse": float(np.sqrt(((values - label) ** 2).mean())),
            "ln": arm.ln if arm else None,
            "weight": weights.get(name, 0.0) if arm else None,
            "difference": (error - chosen).mean(),
            "p": np.nan if name == CHOSEN else signed_rank(grouped),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table.p)
    first = table.arm != CHOSEN
    order = np.lexsort((table.mae.to_numpy(), first.to_numpy()))
    return table.iloc[order].reset_index(drop=True)


def by_formula(values: Float, formulas: NDArray) -> Float:
    """Means (f,) over the crystals of each formula: crystals of one are no independent tests."""
    means = pd.Series(values).groupby(formulas).mean()
    return np.asarray(means, dtype=np.float64)


def written(
    arms: pd.DataFrame,
    judged: Nested,
    candidates: Sequence[Arm],
    label: Float,
    formulas: NDArray,
    what: Label,
    encoders: Sequence[Encoder],
) -> str:
    """The report in Markdown: the winner, its honest error, tests, what pre-training did."""
    choice, unit = judged.choice, after_number(what.unit)
    chosen = arms.iloc[0]
    single = arms[~arms.arm.isin([CHOSEN, STACK, choice.winner])]
    runner, mean = single.iloc[0], arms[arms.arm == "mean"].iloc[0]
    lines = [
        f"# {what.column}: {_short(choice.winner)}",
        "",
        f"Chosen among {len(choice.best)} arms by the errors of {len(label):,} crystals of "
        f"{len(set(formulas.tolist())):,} formulas, each predicted by models that saw no crystal "
        "of its formula.",
        "",
        f"Honest error, of choosing and training without the crystals it is judged on: "
        f"**{_number(chosen.mae)} ± {_number(chosen.se)}{unit}** (mean absolute error, standard "
        f"error over formulas). The mean of the labels: {_number(mean.mae)}{unit}.",
        "",
        _saved(choice.weights, candidates),
        "",
        f"In the {len(judged.winners)} folds these won: {', '.join(judged.winners)}.",
        "",
        _tested("the next best arm, " + runner.what, judged, runner.arm, label, formulas, unit),
        _tested("the mean of the labels", judged, "mean", label, formulas, unit),
        _pre_training(judged, encoders, label, formulas, unit),
        *(f"- {one.name}: {one.source}." for one in encoders),
        "",
        f"| arm | {in_brackets('error', what.unit)} | se | difference | p (Holm) |",
        "| --- | ---: | ---: | ---: | ---: |",
        *map(_row, arms.to_dict("records")),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _saved(weights: Mapping[int, float], candidates: Sequence[Arm]) -> str:
    """A sentence: the arms of the largest weights, and how many others."""
    order = sorted(weights, key=lambda k: -weights[k])
    told = [f"{weights[k]:.0%} {_arm_words(candidates[k])}" for k in order[:TOLD]]
    if others := order[TOLD:]:
        told.append(f"and {len(others)} more of at most {weights[others[0]]:.0%} each")
    return f"What is saved: {', '.join(told)}."


def _row(arm: Mapping[Hashable, Any]) -> str:
    """A row of the table of arms in Markdown."""
    p = "" if np.isnan(arm["p_holm"]) else f"{arm['p_holm']:.2g}"
    numbers = " | ".join(_number(arm[name]) for name in ("mae", "se", "difference"))
    return f"| {arm['what']} | {numbers} | {p} |"


def _tested(
    other: str, judged: Nested, name: str, label: Float, formulas: NDArray, unit: str
) -> str:
    """A sentence: the procedure against an arm, by the signed-rank test over formulas."""
    difference = np.abs(judged.by_arm[name] - label) - np.abs(judged.honest - label)
    p = signed_rank(by_formula(difference, formulas))
    better = difference.mean() > 0
    sure = f"p = {p:.2g}, " + ("significant" if p < LEVEL else "not significant")
    size = f"{_number(abs(difference.mean()))}{unit}"
    return f"- {'Better' if better else 'Worse'} than {other} by {size} ({sure})."


def _pre_training(
    judged: Nested, encoders: Sequence[Encoder], label: Float, formulas: NDArray, unit: str
) -> str:
    """Whether the vectors of each encoder are better than those of its untrained control."""
    errors = {name: np.abs(values - label) for name, values in judged.by_arm.items()}
    told = []
    for encoder in encoders:
        if not encoder.control:
            continue
        trained = encoder.name
        own, control = _best_on(errors, trained), _best_on(errors, encoder.control)
        if own is not None and control is not None:
            told.append(helped(trained, own, control, formulas, unit))
        tuned, plain = (errors.get(f"network:{name}") for name in (trained, RANDOM_WEIGHTS))
        if tuned is not None and plain is not None:
            told.append(helped(f"{trained}, trained further,", tuned, plain, formulas, unit))
    if not told:
        return "- Whether pre-training helps is not known: no encoder was given."
    return "\n".join(told)


def _best_on(errors: Mapping[str, Float], group: str) -> Float | None:
    """Errors (n,) of the best simple model on a group of vectors; None if there is none."""
    found = [own for key, own in errors.items()
             if key.endswith(f":{group}") and not key.startswith("network")]  # fmt: skip
    return min(found, key=lambda own: float(own.mean()), default=None)


def helped(name: str, own: Float, control: Float, formulas: NDArray, unit: str) -> str:
    """A sentence: errors (n,) with a pre-training against those without, by signed-rank test."""
    difference = control - own
    p = signed_rank(by_formula(difference, formulas))
    if p >= LEVEL:
        verdict = "made no significant difference"
    elif abs(difference.mean()) < LITTLE * control.mean():
        verdict = "made little difference to the mean error"
    else:
        verdict = "helped" if difference.mean() > 0 else "did harm"
    return (f"- Pre-training of {name} {verdict}: {_number(own.mean())} against "
            f"{_number(control.mean())}{unit} without (p = {p:.2g}).")  # fmt: skip


def _words(name: str, arm: Arm | None, candidates: Sequence[Arm]) -> str:
    if arm is not None:
        return _arm_words(arm)
    return "the choice" if name == CHOSEN else "stack of the arms"


def _arm_words(arm: Arm) -> str:
    words = WORDS[arm.model]
    if arm.groups:
        words += f" on {' and '.join(arm.groups)}"
    elif arm.model == "network":
        words += f" from {arm.source}"
    return f"{words}, ln(label)" if arm.ln else words


def _short(winner: str) -> str:
    return (
        "a stack of arms" if winner == STACK else winner.replace(":", " on ").replace("+", " and ")
    )


def _standard_error(error: Float, formulas: NDArray) -> float:
    """Of a mean over crystals, with the formulas as independent draws."""
    sums = pd.Series(error - error.mean()).groupby(formulas).sum().to_numpy()
    return float(np.sqrt((sums**2).sum()) / len(error))


def _number(value: float) -> str:
    return f"{value:.3g}"
