"""A network up to the crystals' vectors as one node of autograd: its gradient is one tensor.

The compiled parts are called one after the other and back, with the same numbers as one by one.
Small batches spend a tenth of a step less between the calls.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.base import SiteNetParameters
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.flat import FlatParameters
from sitenet.model.input_features import PAIR_FEATURES
from sitenet.model.kernels import attention, inputs, pooled_layers
from sitenet.model.kernels.compiled import contiguous
from sitenet.model.layers import parameters_of
from sitenet.shards.batch import RaggedBatch


class JoinedNetwork:
    """The layers of `model` from the crystals to their vectors, with `flat` for their gradients.

    The model has the layers of the paper without a cutoff: layer norm and Mish, one layer for the
    attention weights, mean pooling.
    """

    def __init__(self, model: SiteNetParameters, flat: FlatParameters) -> None:
        self.flat, self.features = flat, model.features
        self.kinds = len(PAIR_FEATURES[model.settings.interaction_features])
        table = None if self.features.embedding is None else self.features.embedding.weight
        self.first = [table, *parameters_of([model.site_input, model.interaction_input])]
        self.blocks = [attention.parameters_of_block(block) for block in model.blocks]
        before, after = model.pre_pool.layers, model.post_pool.layers
        self.pooled: list[Any] = parameters_of([*before, *after])
        widths = [len(bias) for bias in self.pooled[1::4]]
        self.shape = len(before), [model.local_width, *widths]

    def __call__(self, batch: RaggedBatch) -> Tensor:
        """Crystal vectors (B, crystal_width). Raises IndexError for a batch that is no batch."""
        return _Vectors.apply(self.flat.values, self, batch)

    def gradients(self, whole: Sequence[Tensor], parameters: Iterable[Any]) -> list[Any]:
        """The parts of a gradient of all parameters, in `flat`'s order, that belong to some."""
        return [None if p is None else whole[self.flat.order[p]] for p in parameters]


class _Vectors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, joined: JoinedNetwork, batch: RaggedBatch) -> Tensor:
        """The vectors; `values` has all parameters."""
        pairs = PairIndex(
            batch.row_offsets, batch.pair_row, batch.pair_column, torch.log(batch.pair_count)
        )
        of = Evaluations.of_types(pairs, batch.pair_type, batch.type_first)
        known = joined.features
        constants = [t.to(values.dtype) for t in (known.properties, known.shift, known.factor)]
        given = contiguous((batch.numbers, of.row, of.column, batch.type_first, batch.oxidation,
                            batch.pair_distance, *constants))  # fmt: skip
        shapes = inputs.shapes(given, joined.kinds, joined.first)
        sites, interactions, *of_first = inputs.forward(shapes, given, joined.first)
        blocks, layers = [], []
        for parameters in joined.blocks:
            read = [sites, interactions, *parameters]
            problem = attention.Problem(pairs, of, attention.functions.products(values.dtype))
            mixed, interactions, *rest, sites = attention.forward(problem, read)
            blocks.append((problem, read, [mixed, *rest], interactions))
            layers.append(sites)
            of = of.following(pairs)
        rows = torch.cat(layers, 1)
        about = contiguous((batch.site_weight, batch.crystal, batch.sizes, *joined.pooled))
        of_pooled = pooled_layers.forward(joined.shape, rows, about)
        ctx.joined, ctx.widths = joined, [layer.shape[1] for layer in layers]
        ctx.kept = (shapes, given, of_first), blocks, (rows, about)
        ctx.save_for_backward(*of_pooled)  # with the result, which must not keep itself alive
        return pooled_layers.found(joined.shape, of_pooled)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of all parameters."""
        joined = ctx.joined
        (shapes, given, of_first), blocks, (rows, about) = ctx.kept
        of_pooled = ctx.saved_tensors
        whole = torch.zeros_like(joined.flat.values)
        parts = joined.flat.parts(whole)
        results = joined.gradients(parts, joined.pooled)
        of_rows = pooled_layers.backward(joined.shape, rows, about, of_pooled, gradient, results)
        of_layers = list(of_rows.split(ctx.widths, 1))
        of_fresh = blocks[-1][-1]  # of no channels
        for (problem, read, kept, _), parameters in zip(
            reversed(blocks), reversed(joined.blocks), strict=True
        ):
            of_read = torch.empty_like(read[0]), torch.empty_like(read[1])
            results = [*of_read, *joined.gradients(parts, parameters)]
            of_sites = of_layers.pop().contiguous()
            attention.backward(problem, read, kept, of_fresh, of_sites, results)
            of_fresh = of_read[1]
            if of_layers:
                of_layers[-1] = of_layers[-1] + of_read[0]
        results = joined.gradients(parts, joined.first)
        inputs.backward(shapes, given, joined.first[1:], of_first, of_read, results)
        return whole, None, None
