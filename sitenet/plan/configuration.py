"""The configuration of a run: what the user gives, laid over the defaults of the repository."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sitenet.options.config import checked, overlaid
from sitenet.plan.names import Options


def complete(config: Options, root: Path, files: Iterable[str]) -> dict[str, Any]:
    """`config` laid over config.yaml in `root`, checked, with defaults filled in.

    `files` are those that `config` was read from, for messages.

    Raises:
        ConfigError: there are mistakes; the message lists all.
    """
    defaults = root / "config.yaml"
    origin = dict.fromkeys(os.path.relpath(file) for file in (str(defaults), *files))
    whole = overlaid(yaml.safe_load(defaults.read_text()), config)
    return checked(whole, " + ".join(origin))
