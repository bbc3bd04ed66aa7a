"""Paired comparisons against values known by hand and scipy's."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from sitenet.analysis.paired_tests import compare, holm, signed_rank

COLUMNS = {"by": ["labels"], "arm": "arm", "control": "random", "pairs": "seed", "value": "mae"}


def table(**arms: list[float]) -> pd.DataFrame:
    rows = [(50, arm, s, mae) for arm, values in arms.items() for s, mae in enumerate(values)]
    return pd.DataFrame(rows, columns=["labels", "arm", "seed", "mae"])


def test_signed_rank_by_counting_all_signs() -> None:
    """Under the null every sign of each rank is as likely: p counts sums at least as extreme."""
    difference = np.array([-1.5, 0.4, -2.0, -0.7, -3.1, -0.2])
    ranks = np.argsort(np.argsort(np.abs(difference))) + 1
    sums = [ranks @ signs for signs in itertools.product([0, 1], repeat=6)]
    observed = ranks[difference > 0].sum()
    assert signed_rank(difference) == pytest.approx(2 * np.mean(np.array(sums) <= observed))
    assert signed_rank([-1.0, -2.0, -3.0, -4.0, -5.0]) == pytest.approx(2 / 2**5)


def test_no_difference_is_no_evidence() -> None:
    assert signed_rank([0.0, 0.0, 0.0]) == 1.0


def test_holm_by_hand() -> None:
    """Smallest of three times 3, next times 2, never below the one before, at most 1."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, np.nan, 0.8]) == pytest.approx([1.0, np.nan, 1.0], nan_ok=True)
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p: list[float]) -> None:
    values, corrected = np.array(p), holm(p)
    assert (corrected >= values).all()
    assert (corrected <= np.minimum(values * len(p), 1.0)).all()
    assert (np.diff(corrected[np.argsort(values)]) >= 0).all()


def test_compare_by_hand() -> None:
    found = compare(
        table(random=[1.0, 2.0, 3.0, 4.0, 5.0], infomax=[0.9, 1.8, 2.7, 3.6, 4.5]), **COLUMNS
    )
    control, arm = found.to_dict("records")
    assert (control["arm"], control["median"], control["q1"], control["q3"]) == ("random", 3, 2, 4)
    assert np.isnan(control["p"])
    assert np.isnan(control["p_holm"])
    assert (arm["n"], arm["lower"]) == (5, 1.0)
    assert arm["median_difference"] == pytest.approx(-0.3)
    assert arm["p"] == arm["p_holm"] == pytest.approx(2 / 2**5)


def test_rows_are_paired_whatever_their_order_and_corrected_together() -> None:
    rng = np.random.default_rng(0)
    arms = {name: list(rng.normal(k, 1, 12)) for k, name in enumerate(["random", "a", "b"])}
    rows = table(**arms)
    both = pd.concat([rows, rows.assign(labels=100, mae=rows.mae**2)])
    shuffled = both.sample(frac=1, random_state=0)
    found = compare(shuffled, **COLUMNS).set_index(["labels", "arm"])
    for labels, power in ((50, 1), (100, 2)):
        for name in "ab":
            values, reference = (np.array(arms[k]) ** power for k in (name, "random"))
            assert found.p[labels, name] == pytest.approx(wilcoxon(values, reference).pvalue)
    compared = found[found.p.notna()]
    assert compared.p_holm.to_numpy() == pytest.approx(holm(compared.p))
    assert (compared.p_holm > compared.p).any()


def test_what_is_not_paired_is_refused() -> None:
    rows = table(random=[1.0, 2.0], infomax=[1.0, 2.0])
    with pytest.raises(ValueError, match="no control random"):
        compare(rows[rows.arm == "infomax"], **COLUMNS)
    with pytest.raises(ValueError, match="a value of every seed"):
        compare(rows[:-1], **COLUMNS)
    with pytest.raises(ValueError, match="several values of one seed"):
        compare(pd.concat([rows, rows[:1]]), **COLUMNS)
