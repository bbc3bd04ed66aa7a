"""Work shared among processes."""

import pickle
import sys

import pytest

from sitenet.parallel import ordered_map


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_forked_processes_inherit_their_work() -> None:
    """It may hold a whole data set, which would be sent once for each item."""
    known = [1.5, 2.5, 3.5]
    work = lambda place: known[place]  # noqa: E731
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(work)
    assert list(ordered_map(work, range(3), 2, fork=True)) == known
