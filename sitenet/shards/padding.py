"""Batches of one shape: crystals that nobody asked for are added, which leave the others alone."""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F

from sitenet.shards.batch import RaggedBatch


class Capacity(NamedTuple):
    """Site classes, merged pairs and crystals of a padded batch."""

    rows: int
    pairs: int
    crystals: int

    def room(self, batch: RaggedBatch) -> "Capacity":
        """What is left beside `batch`; negative where it does not fit."""
        rows, pairs = batch.numbers.numel(), batch.pair_row.numel()
        return Capacity(self.rows - rows, self.pairs - pairs, self.crystals - batch.sizes.numel())

    def holds(self, batch: RaggedBatch) -> bool:
        """Whether `batch` can be padded: at least one crystal, and a row for each that is added."""
        room = self.room(batch)
        return room.rows >= room.crystals >= 1 and room.pairs >= 0


def padded(batch: RaggedBatch, capacity: Capacity) -> RaggedBatch:
    """`batch` and, after it, crystals of its first element, to exactly `capacity`.

    Their rows see only themselves, pairs and rows are spread evenly over them, so that no row is
    long, and their predictions are finite whatever the pooling. The others' predictions and their
    gradients stay what they were, except under batch norm, which would count what is added. A GPU
    is not waited for.

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
    )
