"""Pair types found pair by pair, to compare those of batches with."""

from sitenet.shards.batch import RaggedBatch


def pair_keys(batch: RaggedBatch) -> list[tuple[float, ...]]:
    """Crystal, both species and distance of each pair."""
    columns = [
        values[rows].tolist()
        for values in (batch.crystal, batch.numbers, batch.oxidation)
        for rows in (batch.pair_row, batch.pair_column)
    ]
    return list(zip(*columns, batch.pair_distance.tolist(), strict=True))


def brute_force_types(batch: RaggedBatch) -> tuple[list[int], list[int]]:
    """Type of each pair and first pair of each type, in the order of first pairs."""
    found: dict[tuple[float, ...], int] = {}
    types, first = [], []
    for place, key in enumerate(pair_keys(batch)):
        if key not in found:
            found[key] = len(first)
            first.append(place)
        types.append(found[key])
    return types, first


def assert_right_types(batch: RaggedBatch) -> None:
    """The batch has these types."""
    types, first = brute_force_types(batch)
    assert batch.pair_type.tolist() == types
    assert batch.type_first.tolist() == first
