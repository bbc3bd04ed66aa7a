"""What a waiting person reads."""

import pytest

from sitenet.progress import Progress, duration


def test_remaining_time_follows_from_the_rate(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    now = [0.0]
    monkeypatch.setattr("sitenet.progress.time.monotonic", lambda: now[0])
    with caplog.at_level("INFO", logger="sitenet"):
        known = Progress(400, "featurising", "crystals")
        unknown = Progress(0, "reading", "crystals")
        for now[0] in (4.0, 20.0):
            known.advance(50)
            unknown.advance(50)
        known.finish()
    assert caplog.messages == [
        "featurising: 100/400 crystals (25%), 5/s, 1:00 left",
        "reading: 100 crystals, 5/s",
        "featurising: 100 crystals in 0:20 (5/s)",
    ]


def test_durations():
    assert [duration(s) for s in (7, 61.4, 3725)] == ["0:07", "1:01", "1:02:05"]
