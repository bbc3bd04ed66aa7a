"""The parameters of a model as parts of one tensor, and their gradients as parts of another.

Clipping and AdamW are then a few operations on everything instead of a dozen on each of 59 tensors.
"""

import torch
from torch import nn

ALIGNMENT = 64
"""Bytes, of which every part begins at a multiple, as tensors of their own do."""


class FlatParameters(nn.Module):
    """The trained parameters of `model` as one parameter: `values` (n,), with zeros between them.

    Those of the model become views of it; what moves them or changes their type would part them.
    Parameters that require no gradient are left alone.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._parts = [part for part in model.parameters() if part.requires_grad]
        first = self._parts[0]
        step = ALIGNMENT // first.element_size()
        rooms = [-(-part.numel() // step) * step for part in self._parts]
        self.values = nn.Parameter(first.detach().new_zeros(sum(rooms)))
        self.gradient = self.values.grad = torch.zeros_like(self.values)
        self._gradients = []
        for part, values, gradient in zip(
            self._parts, self.values.detach().split(rooms), self.gradient.split(rooms), strict=True
        ):
            place = values[: part.numel()].view_as(part)
            part.data, part.grad = place.copy_(part.detach()), None
            self._gradients.append(gradient[: part.numel()].view_as(part))

    def gather(self) -> None:
        """Move the gradients of all parts to that of `values`: zero where a part has none."""
        found = [part.grad for part in self._parts]
        if any(gradient is None for gradient in found):
            self.gradient.zero_()
        places, given = [], []
        for place, gradient in zip(self._gradients, found, strict=True):
            if gradient is not None:
                places.append(place)
                given.append(gradient)
        torch._foreach_copy_(places, given)
        for part in self._parts:
            part.grad = None

    def release(self) -> None:
        """Give every part memory of its own again."""
        for part in self._parts:
            part.data = part.data.clone()
