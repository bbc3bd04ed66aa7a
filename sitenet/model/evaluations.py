"""For what the networks of a block are evaluated: for every pair, or once for every pair type."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PairIndex:
    """E merged pairs of a batch, grouped by row.

    row_offsets (R + 1,) int64, row (E,) and column (E,) int64 site classes; log_count (E,) ln of
    the number of atoms merged, -inf where a cutoff masks the pair.
    """

    row_offsets: Tensor
    row: Tensor
    column: Tensor
    log_count: Tensor


@dataclass(frozen=True)
class Evaluations:
    """M evaluations of the pair networks, each for a pair or for all pairs of a type.

    row (M,) int64, rising, and column (M,) int64: its site classes. of_pair (E,) int64: the
    evaluation of each pair, None: pair p has evaluation p. source (M,) int64: the row of the
    interactions that it reads, None: evaluation m reads row m.
    """

    row: Tensor
    column: Tensor
    of_pair: Tensor | None
    source: Tensor | None

    @classmethod
    def of_pairs(cls, pairs: PairIndex, source: Tensor | None = None) -> "Evaluations":
        """One for each pair."""
        return cls(pairs.row, pairs.column, of_pair=None, source=source)

    @classmethod
    def of_types(cls, pairs: PairIndex, pair_type: Tensor, type_first: Tensor) -> "Evaluations":
        """One for each pair type, with the sites of its first pair; arguments as in a batch."""
        row, column = (site.index_select(0, type_first) for site in (pairs.row, pairs.column))
        return cls(row, column, of_pair=pair_type, source=None)

    def following(self, pairs: PairIndex) -> "Evaluations":
        """One for each pair, which reads the interactions that these evaluations gave."""
        return Evaluations.of_pairs(pairs, source=self.of_pair)
