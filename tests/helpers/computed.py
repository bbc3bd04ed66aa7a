"""Numbers computed from crystals, beside their shards."""

from collections.abc import Sequence
from pathlib import Path

from sitenet.shards.computed_targets import write_computed_targets


def computed_of(shards: Sequence[Path]) -> tuple[Path, ...]:
    """Tables of the crystals of shards."""
    tables = tuple(shard.with_suffix(".computed.parquet") for shard in shards)
    for shard, table in zip(shards, tables, strict=True):
        write_computed_targets(shard, table, "test")
    return tables
