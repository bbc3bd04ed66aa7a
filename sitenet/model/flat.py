"""The parameters of a model as parts of one tensor, and their gradients as parts of another.

Clipping and AdamW are then a few operations on everything instead of a dozen on each of 59 tensors.
"""

import torch
from torch import Tensor, nn

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
        self._rooms, self.order = rooms, {part: k for k, part in enumerate(self._parts)}
        for part, values, gradient in zip(
            self._parts, self.parts(self.values.detach()), self.parts(self.gradient), strict=True
        ):
            place = values[: part.numel()].view_as(part)
            part.data, part.grad = place.copy_(part.detach()), None
            self._gradients.append(gradient[: part.numel()].view_as(part))

    def parts(self, whole: Tensor) -> tuple[Tensor, ...]:
        """A tensor like `values` as one of a row for each part, in the order `order`."""
        return whole.split(self._rooms)

    def differentiate(self, loss: Tensor) -> None:
        """Make the gradient of `values` that of `loss`: zero where it does not depend on a part.

        The loss may depend on `values` themselves, too.
        """
        whole, *found = torch.autograd.grad(loss, [self.values, *self._parts], allow_unused=True)
        used = [k for k, gradient in enumerate(found) if gradient is not None]
        places, given = [self._gradients[k] for k in used], [found[k] for k in used]
        if whole is not None:
            self.gradient.copy_(whole)
            torch._foreach_add_(places, given)
            return
        if len(used) < len(found):
            self.gradient.zero_()
        torch._foreach_copy_(places, given)

    def clip(self, largest_norm: float) -> None:
        """Scale the gradient down to a norm, as `torch.nn.utils.clip_grad_norm_` does."""
        norm = torch.linalg.vector_norm(self.gradient)
        self.gradient.mul_((largest_norm / (norm + 1e-6)).clamp(max=1.0))

    def release(self) -> None:
        """Give every part memory of its own again."""
        for part in self._parts:
            part.data = part.data.clone()
