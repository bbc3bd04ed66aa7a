"""Training steps replayed as a CUDA graph: forward and backward pass in one launch.

A step consists of some hundred kernels; for few crystals, launching them takes longer than running
them. Batches are padded to one shape (`sitenet.shards.padding`) and copied to the memory that the
graph reads; it computes the summed error and its gradient. Its first results are compared with
those of the usual step. Where a graph cannot be captured or differs, kernels are launched one by
one, and the log says why.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sitenet.model.kernels import fast_path
from sitenet.model.sitenet import SiteNet
from sitenet.options.training import LoopSettings
from sitenet.progress import log
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.padding import Capacity, padded
from sitenet.train.batches import Packs

Function = Callable[..., Sequence[Tensor]]
Capture = Callable[[Function, Sequence[Tensor]], Function]

CHECKED = 2
"""Batches that are computed both ways: the one of the capture, and another."""

TOLERANCES = {"32-true": 1e-3, "bf16-mixed": 3e-2}
"""Relative differences that count as rounding, by precision."""

WARM_UP = 3  # runs before a capture, as torch.cuda.make_graphed_callables has them


def absolute_error(model: nn.Module, batch: RaggedBatch, target: Tensor) -> Tensor:
    """Sum of |prediction - target| over the crystals (B,) of a batch."""
    return (model(batch) - target).abs().sum()


def replayed_error(
    model: SiteNet, settings: LoopSettings, device: torch.device, batches: Packs
) -> "ReplayedError | None":
    """What replays training steps on `device`; None: launch them one by one (logged on a GPU)."""
    if device.type != "cuda":
        return None
    reason = obstacle(model, settings, device)
    if reason is not None:
        log.info(f"training steps are launched one by one: {reason}")
        return None
    return ReplayedError(model, batches.capacity(), TOLERANCES[settings.precision], cuda_graph)


def obstacle(model: SiteNet, settings: LoopSettings, device: torch.device) -> str | None:
    """Why steps on a GPU cannot be replayed, or None."""
    if settings.processes > 1:
        return "several processes share a batch"
    if model.settings.auxiliary:
        return "other numbers are learned beside"
    if settings.precision not in TOLERANCES:
        return f"the precision is {settings.precision}"
    if model.settings.cutoff is not None:
        return "how many pairs a cutoff leaves is known on the GPU only"
    if not model.fusable or fast_path(device) is None:
        return "the pair block is plain PyTorch"
    return None


def cuda_graph(function: Function, inputs: Sequence[Tensor]) -> Function:
    """`function` as a CUDA graph: takes tensors like `inputs` and overwrites its results each time.

    Raises:
        RuntimeError: `function` synchronises with the host, or cannot be captured for another
            reason.
    """
    static = [tensor.clone() for tensor in inputs]
    present, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    aside.wait_stream(present)
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            function(*static)
        # Before the capture: one that fails may leave memory and streams in an undefined state.
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            function(*static)
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    present.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.stream(present), torch.cuda.graph(graph):  # the first: for captures that fail
        results = function(*static)

    def replay(*tensors: Tensor) -> Sequence[Tensor]:
        for place, tensor in zip(static, tensors, strict=True):
            place.copy_(tensor)
        graph.replay()
        return results

    return replay


class ReplayedError:
    """`absolute_error` of a model for batches that fit `capacity`; others are launched as usual.

    `capture` turns a function of tensors and example inputs into its replayed form. From then on
    the parameters of the model must stay where they are in memory.
    """

    def __init__(
        self, model: nn.Module, capacity: Capacity, tolerance: float, capture: Capture
    ) -> None:
        self.model, self.capacity, self.tolerance = model, capacity, tolerance
        self.capture, self.failed, self.checked = capture, False, 0
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._replay: Function | None = None

    def __call__(self, batch: RaggedBatch, target: Tensor) -> Tensor:
        """Sum of |prediction - target| over the crystals (B,), with gradients."""
        if not self.failed and self.capacity.holds(batch):
            try:
                return _Known.apply(*self._replayed(batch, target), *self._parameters)
            except RuntimeError as error:
                self.failed, self._replay = True, None
                log.warning(f"training steps are launched one by one: {error}")
        return absolute_error(self.model, batch, target)

    def _replayed(self, batch: RaggedBatch, target: Tensor) -> Sequence[Tensor]:
        """The sum and its gradient; RuntimeError if the capture fails or the results are wrong."""
        device = target.device.type
        more = (0, self.capacity.crystals - target.numel())
        tensors = vars(padded(batch, self.capacity)).values()
        inputs = [*tensors, F.pad(target, more), F.pad(torch.ones_like(target), more)]
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        with torch.autocast(device, enabled=False):  # as for any backward pass
            work = _Work(self.model, self._parameters, low)
            if self._replay is None:
                self._replay = self.capture(work, inputs)
            found = self._replay(*inputs)
            if self.checked == CHECKED:
                return found
            usual = work(*inputs)
        with torch.no_grad():
            self._check(found, usual, absolute_error(self.model, batch, target), target)
        return found

    def _check(
        self, found: Sequence[Tensor], usual: Sequence[Tensor], alone: Tensor, target: Tensor
    ) -> None:
        """Raise RuntimeError unless `found` equals `usual`; `alone` is the sum without padding.

        Gradients are compared for the same shapes: under bfloat16 another order of summation may
        flip the sign of an error, and with it a share of the gradient.
        """
        sizes = [parameter.numel() for parameter in self._parameters]
        differences, gradients = (
            torch.stack([part.norm() for part in whole.split(sizes)])
            for whole in (found[1] - usual[1], usual[1])
        )
        rounding = 1e-5 * target.abs().sum()
        sums = torch.stack([usual[0], alone])
        worst = max(
            float((differences / gradients.clamp(min=1e-2 * float(gradients.norm()))).max()),
            float((((found[0] - sums).abs() - rounding) / sums).max()),
        )
        if not worst <= self.tolerance:
            raise RuntimeError(f"the CUDA graph is off by {worst:.1e} of the usual result")
        self.checked += 1
        if self.checked == CHECKED:
            shape = "{:,} site classes, {:,} pairs and {} crystals".format(*self.capacity)
            log.info(f"training steps are replayed as a CUDA graph of {shape}")


class _Work:
    """The captured function: summed error of a padded batch and its gradient in all parameters.

    `low` is the number format of products under autocast, None without.
    """

    def __init__(
        self, model: nn.Module, parameters: list[nn.Parameter], low: torch.dtype | None
    ) -> None:
        self.model, self.parameters, self.low = model, parameters, low

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """inputs: fields of a `RaggedBatch`, the target, and 1 for crystals that count, else 0."""
        *tensors, target, counted = inputs
        with torch.autocast(
            target.device.type, self.low, enabled=self.low is not None, cache_enabled=False
        ):
            error = (self.model(RaggedBatch(*tensors)) - target).abs()
        total = (error * counted).sum()
        gradients = torch.autograd.grad(total, self.parameters)
        return total.detach(), torch.cat([gradient.flatten() for gradient in gradients])


class _Known(torch.autograd.Function):
    """A number with known gradient in all parameters; both are copied: replays overwrite them."""

    @staticmethod
    def forward(ctx, value, gradient, *parameters):  # type: ignore[no-untyped-def]
        """The number."""
        ctx.gradient = gradient.clone()
        ctx.shapes = [parameter.shape for parameter in parameters]
        return value.clone()

    @staticmethod
    def backward(ctx, factor):  # type: ignore[no-untyped-def]
        """The gradient of each parameter."""
        parts = (ctx.gradient * factor).split([shape.numel() for shape in ctx.shapes])
        pairs = zip(parts, ctx.shapes, strict=True)
        return None, None, *(part.view(shape) for part, shape in pairs)
