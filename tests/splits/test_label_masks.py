"""Draws of crystals and labels: the same for all who ask, whatever else is in the list."""

import numpy as np
import pytest

from sitenet.splits.label_masks import label_mask

IDS = [f"mp-{k}" for k in range(300)]


def shown(ids: list[str], count: int, seed: int) -> list[str]:
    return [ids[k] for k in label_mask(ids, count, seed)]


def test_a_mask_depends_on_its_seed_only() -> None:
    assert shown(IDS, 50, 3) == shown(IDS[::-1], 50, 3)
    assert shown(IDS, 50, 3) == shown(IDS, 120, 3)[:50]
    assert set(shown(IDS, 50, 3)) != set(shown(IDS, 50, 4))
    assert len(set(shown(IDS, 300, 3))) == 300


def test_a_missing_crystal_is_replaced_and_the_others_stay() -> None:
    before = shown(IDS, 50, 0)
    after = shown([name for name in IDS if name != before[7]], 50, 0)
    assert after[:-1] == before[:7] + before[8:]


def test_all_crystals_are_shown_as_often() -> None:
    """Of 400 masks of a fifth, each crystal is in 80, give or take sqrt(400 * 0.2 * 0.8) = 8."""
    counts = np.bincount(np.concatenate([label_mask(IDS, 60, s) for s in range(400)]))
    assert counts.sum() == 400 * 60
    assert np.abs(counts - 80).max() < 5 * 8
    assert counts.std() == pytest.approx(8, rel=0.25)


def test_more_labels_than_crystals_are_refused() -> None:
    with pytest.raises(ValueError, match="301 labels are requested, but there are only 300"):
        label_mask(IDS, 301, 0)
