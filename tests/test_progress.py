"""What a waiting person reads."""

from pathlib import Path

import pytest

from sitenet.progress import Progress, duration, log, setup_logging


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


@pytest.mark.parametrize(
    ("unit", "one"), [("crystals", "1 crystal"), ("sets of fits", "1 set of fits")]
)
def test_one_is_told_in_the_singular(unit: str, one: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", logger="sitenet"):
        progress = Progress(1, "done", unit)
        progress.advance()
        progress.finish()
    assert caplog.messages[0].startswith(f"done: {one} in 0:00 (")


def test_durations():
    assert [duration(s) for s in (7, 61.4, 3725)] == ["0:07", "1:01", "1:02:05"]


def test_processes_with_one_log_keep_the_lines_of_one_another(tmp_path: Path):
    """The first process of a training that several share appends to the log of its parent."""
    path = tmp_path / "log"
    path.write_text("of an earlier run\n")
    setup_logging(path)
    log.info("first")
    with open(path, "a") as other:
        other.write("of another process, which is longer\n")
    log.info("last")
    lines = path.read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["first", "longer", "last"]
