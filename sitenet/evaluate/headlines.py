"""The headline of the errors of a setting: the network beside the best baseline, and warnings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sitenet.evaluate.baselines import NAMES
from sitenet.evaluate.rounding import after_number, readable, with_error
from sitenet.splits.label_checks import size_warnings

FAMILIAR = 0.95
"""Share of test crystals of known structure type from which on it is told."""

ON_MAGPIE = ("extra_trees", "boosting")


def best_baseline(runs: pd.DataFrame) -> str:
    """The baseline of a setting with the lowest validation error, averaged over its runs.

    `runs` has a column baseline_NAME_val_mae for each baseline.
    """
    errors = {name: runs[f"baseline_{name}_val_mae"].mean() for name in NAMES}
    return min(errors, key=errors.__getitem__)


def headline(runs: pd.DataFrame) -> str:
    """One setting in words; `runs` are its rows of the table of runs."""
    first, mean = runs.iloc[0], runs.mean(numeric_only=True)
    name, unit = first["best_baseline"], after_number(first["unit"])
    network, baseline = first["test_mae_mean"], mean[f"baseline_{name}_mae"]
    pooled = mean.get("out_of_fold_mae", np.nan)
    r2 = mean.get("test_r2", np.nan)
    trained = f", mean of {len(runs)} trainings" if len(runs) > 1 else ""
    verdict = " **The network is worse than this baseline.**" if network >= baseline else ""
    if r2 < 0:
        verdict += " **R² is below 0: its squared error is larger than that of the mean.**"
    return (
        f"{first['dataset']}, {first['task']}, N = {first['n']}, {first['variant']}: test MAE "
        f"{with_error(network, first['test_mae_error'])}{unit}"
        f" (95 %: {readable(mean['test_mae_low'])} to {readable(mean['test_mae_high'])}"
        f"{trained}), R² {'undefined' if np.isnan(r2) else f'{r2:.3f}'}"
        f"{'' if np.isnan(pooled) else f'; pooled over the folds {readable(pooled)}{unit}'}. "
        f"Best baseline, {in_words(name)}: {readable(baseline)}{unit} "
        f"({readable(mean[f'baseline_{name}_low'])} to {readable(mean[f'baseline_{name}_high'])})."
        f"{verdict}"
    )


def in_words(name: str) -> str:
    """A baseline, with what it is trained on."""
    return NAMES[name] + (" on Magpie features and volume" if name in ON_MAGPIE else "")


def warnings_of(runs: pd.DataFrame, reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to know of one setting before believing its errors, each once.

    `reports` are those on the splits of its task.
    """
    found = [warning for report in reports for warning in report["warnings"]]
    folds, kind = reports[0]["folds"], reports[0]["kind"]
    training, validation = int(runs.train_crystals.min()), int(runs.val_crystals.min())
    found += size_warnings(training, validation, folds, kind)
    if folds and (tested := len(set(runs.seed % folds))) < folds:
        found.append(
            f"{tested} of {folds} folds are tested: give the seeds 0 to {folds - 1} to test all"
        )
    if (known := runs.baseline_structure_type_known.mean()) > FAMILIAR and kind != "prototype":
        found.append(
            f"{known:.0%} of the test crystals have the structure type of a training crystal: "
            'compare with the baseline "same structure type"; split.kind: prototype tests new types'
        )
    shared = max((report["shared"]["train-test"]["crystals"] for report in reports), default=0)
    if shared:
        found.append(
            f"{shared:,} test crystals have a formula that is also trained on: errors for new "
            "formulas are larger (split.kind: grouped)"
        )
    return list(dict.fromkeys(found))
