"""What the report of a fit says of pre-training."""

import numpy as np

from sitenet.few.report import helped

FORMULAS = np.array([f"A{k}" for k in range(200)], dtype=object)


def test_verdicts_need_a_sure_difference_of_some_size() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    without = 1 + 0.1 * noise**2
    told = [
        helped("encoder1", without * share + shift, without, FORMULAS, " eV").split(":")[0]
        for share, shift in ((0.8, 0), (1.2, 0), (1.001, 0), (1, 0.1 * noise))
    ]
    assert told == [
        "- Pre-training of encoder1 helped",
        "- Pre-training of encoder1 did harm",
        "- Pre-training of encoder1 made little difference to the mean error",
        "- Pre-training of encoder1 made no significant difference",
    ]
