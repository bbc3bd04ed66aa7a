"""Number formats of a training: float32, mixed with 16-bit products, or float64."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sitenet.shards.batch import RaggedBatch


class Precision:
    """Forward passes in a precision of `LoopSettings`.

    `scaler` scales losses so that small gradients survive float16; otherwise it does nothing.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        low = {
            "32-true": None,
            "64-true": None,
            "bf16-mixed": torch.bfloat16,
            "16-mixed": torch.float16 if on_gpu else torch.bfloat16,  # as fast as float16 there
        }
        self.low, self.double, self.device = low[name], name == "64-true", device
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.low is torch.float16)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """For losses: their backward passes stay outside."""
        if self.double:
            usual = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
            try:
                yield
            finally:
                torch.set_default_dtype(usual)
        else:
            with torch.autocast(
                self.device.type, self.low, enabled=self.low is not None, cache_enabled=False
            ):
                yield

    def cast(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """A batch whose crystals and real-valued tensors have the type of the weights."""
        return tuple(_double(part) for part in batch) if self.double else batch


def _double(part: Any) -> Any:
    if isinstance(part, RaggedBatch):
        return part.cast(torch.float64)
    if isinstance(part, torch.Tensor) and part.is_floating_point():
        return part.double()
    return part
