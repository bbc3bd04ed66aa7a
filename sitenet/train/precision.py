"""Double precision for batches that are frozen dataclasses, which Lightning's own cannot cast."""

from typing import Any

import torch
from lightning.pytorch.plugins.precision import DoublePrecision

from sitenet.shards.batch import RaggedBatch


class DoubleBatches(DoublePrecision):
    """float64 for weights, crystals and labels."""

    def convert_input(self, data: Any) -> Any:
        """A tuple with its crystals and real-valued tensors in float64."""
        return tuple(_double(part) for part in data)


def _double(part: Any) -> Any:
    if isinstance(part, RaggedBatch):
        return part.cast(torch.float64)
    if isinstance(part, torch.Tensor) and part.is_floating_point():
        return part.double()
    return part
