"""Site-Net and Deep InfoMax on crystals: from CIFs to trained models, figures and tables."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# Threads that wait for each other spin for some microseconds, then sleep (read when torch is first
# imported). With busy neighbours on the machine, spinning for longer makes a training step up to 16
# times slower; without spinning, a step of 300 sites on two threads takes a fifth longer.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # for GNU's runtime, which PyTorch has on Linux

_LATER = {
    "Predictor": "sitenet.api.predictor",
    "SiteNetFeaturizer": "sitenet.api.featurizer",
    "SiteNetRegressor": "sitenet.api.regressor",
}
"""Names of the package that load torch, imported when they are used."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
