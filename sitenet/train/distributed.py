"""The processes of one training: sums, gradients and weights that they share."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """The `world` processes of a training, of which this one has number `rank`.

    With one process nothing is communicated.
    """

    rank: int = 0
    world: int = 1

    def sum(self, values: Tensor) -> Tensor:
        """Sum of `values` over the processes, in place."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def average(self, values: Tensor) -> None:
        """Replace `values` by their mean over the processes."""
        if self.world > 1:
            self.sum(values.div_(self.world))

    def copy_weights(self, model: nn.Module) -> None:
        """Give all processes the parameters and buffers of the first."""
        if self.world > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def rescale_embeddings(self, model: nn.Module, numbers: Tensor) -> None:
        """Rescale the embeddings of the elements in the whole batch, not only in one's own part.

        A look-up in an embedding with a largest norm rescales it in place, of which gradients know
        nothing: otherwise the weights of the processes would drift apart. numbers (R,) int64.
        """
        if self.world == 1:
            return
        for layer in model.modules():
            if isinstance(layer, nn.Embedding) and layer.max_norm is not None:
                seen = torch.zeros(layer.num_embeddings, dtype=torch.int32, device=numbers.device)
                seen[numbers] = 1
                with torch.no_grad():
                    layer(self.sum(seen).nonzero()[:, 0])


ALONE = Group()
