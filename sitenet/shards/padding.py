"""Batches padded to one shape by crystals at their end that change nothing for the others."""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F

from sitenet.shards.batch import RaggedBatch


class Capacity(NamedTuple):
    """Site classes, merged pairs, crystals and pair types of a padded batch."""

    rows: int
    pairs: int
    crystals: int
    types: int

    def room(self, batch: RaggedBatch) -> "Capacity":
        """What is left beside `batch`; negative where it does not fit."""
        return Capacity(
            self.rows - batch.numbers.numel(),
            self.pairs - batch.pair_row.numel(),
            self.crystals - batch.sizes.numel(),
            self.types - batch.type_first.numel(),
        )

    def holds(self, batch: RaggedBatch) -> bool:
        """Whether `batch` can be padded.

        By at least one crystal, with a row for each crystal and a type for the pairs.
        """
        room = self.room(batch)
        fits = room.rows >= room.crystals >= 1 and room.pairs >= 0
        return fits and room.types >= min(1, room.pairs)


def padded(batch: RaggedBatch, capacity: Capacity) -> RaggedBatch:
    """`batch` and, after it, padding crystals of its first element, to exactly `capacity`.

    A padding row is paired with itself only. Pairs are spread evenly over the rows, and types over
    the pairs, so that no row is long and no type has many pairs; predictions of padding crystals
    are finite whatever the pooling. Predictions of the batch's own crystals and their gradients do
    not change, except under batch norm, which counts every row. Does not synchronise with a GPU.

    Raises:
        ValueError: `capacity` does not hold the batch.
    """
    if not capacity.holds(batch):
        raise ValueError(f"a batch does not fit: it leaves {capacity.room(batch)}")
    room, device = capacity.room(batch), batch.numbers.device
    row = torch.arange(room.rows + 1, device=device)
    pair = torch.arange(room.pairs, device=device)
    pair_row = pair * room.rows // max(1, room.pairs) + batch.numbers.numel()
    # The first pair p of row k is the first with p rows / pairs >= k.
    ends = (row[1:] * room.pairs + room.rows - 1) // room.rows + batch.pair_row.numel()
    crystal = row[:-1] * room.crystals // room.rows + batch.sizes.numel()
    # Types beyond the number of pairs are those of the last pair, and no pair names them.
    types = min(room.types, room.pairs)
    pair_type = pair * types // max(1, room.pairs) + batch.type_first.numel()
    first = torch.arange(room.types, device=device).clamp(max=max(0, types - 1))
    first = (first * room.pairs + types - 1) // max(1, types) + batch.pair_row.numel()
    return replace(
        batch,
        numbers=torch.cat([batch.numbers, batch.numbers[:1].expand(room.rows)]),
        oxidation=F.pad(batch.oxidation, (0, room.rows)),
        site_weight=F.pad(batch.site_weight, (0, room.rows), value=1),
        crystal=torch.cat([batch.crystal, crystal]),
        sizes=F.pad(batch.sizes, (0, room.crystals), value=1),
        row_offsets=torch.cat([batch.row_offsets, ends]),
        pair_row=torch.cat([batch.pair_row, pair_row]),
        pair_column=torch.cat([batch.pair_column, pair_row]),
        pair_distance=F.pad(batch.pair_distance, (0, room.pairs), value=1),
        pair_count=F.pad(batch.pair_count, (0, room.pairs), value=1),
        pair_type=torch.cat([batch.pair_type, pair_type]),
        type_first=torch.cat([batch.type_first, first]),
        geometry=F.pad(batch.geometry, (0, 0, 0, room.rows)),
    )
