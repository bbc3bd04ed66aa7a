"""Site-Net and Deep InfoMax on crystals: from CIFs to trained models, figures and tables."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning (read when torch is first imported):
# with one busy neighbour on the machine, spinning makes a training step up to 16 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

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
