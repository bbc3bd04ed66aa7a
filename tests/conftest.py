"""Fixtures shared by all tests."""

import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference values and real data; tests that need it skip without it."""
    folder = Path(os.environ.get("SITENET_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference").is_dir():
        pytest.skip("no shared reference folder (SITENET_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _messages_reach_caplog() -> None:
    logging.getLogger("sitenet").propagate = True
