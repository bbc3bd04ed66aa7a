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

    def average_gradients(self, model: nn.Module) -> None:
        """Replace the gradients of `model` by their mean over the processes.

        Parameters that no process used keep having none.
        """
        if self.world == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        used = parts[0].new_tensor([p.grad is not None for p in parameters])
        total = self.sum(torch.cat([*(part.flatten() for part in parts), used]) / self.world)
        *means, used = total.split([*(p.numel() for p in parameters), len(parameters)])
        for parameter, mean, share in zip(parameters, means, used.tolist(), strict=True):
            if share > 0:
                parameter.grad = mean.view_as(parameter)

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
