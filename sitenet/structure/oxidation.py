"""Oxidation states guessed from the composition, as pymatgen does, without its enumeration.

pymatgen's `Composition.oxi_state_guesses` goes through all multisets of the common oxidation states
of each element, scores a combination by how often the ICSD holds its members (`icsd_bv.yaml`,
summed over sites), and takes the neutral one of the highest score; formulas with large counts take
it seconds. The score is a sum over sites, so dynamic programming over the charge finds the same.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sitenet.structure.elements import elements, symbols
from sitenet.structure.formula import counts

Array = np.ndarray[Any, np.dtype[Any]]


class Scores(NamedTuple):
    """Best score of each total charge that some sites can have together."""

    lowest: int
    """Charge of the first entry."""
    best: Array
    """Score of charges lowest, lowest + 1, ...; -inf where out of reach."""

    def at(self, charges: Array) -> Array:
        """Scores of these charges."""
        index = charges - self.lowest
        inside = (index >= 0) & (index < len(self.best))
        return np.where(inside, self.best[np.where(inside, index, 0)], -np.inf)

    def charges(self) -> Array:
        """The charges within reach."""
        return np.flatnonzero(np.isfinite(self.best)) + self.lowest


def guess_oxidation(numbers: Array) -> Array:
    """(n,) float64 mean oxidation state of each site's element; zeros where there is no guess.

    Equals the first of pymatgen's `oxi_state_guesses()` of the reduced composition whose elements
    are sorted by electronegativity. There is no guess for one element alone, a composition that
    cannot be neutral and elements without common oxidation states. Of equally good guesses the
    first counts, as in pymatgen: element by element, the total charge made by the first multiset of
    states, in the order of `itertools.combinations_with_replacement`.

    Args:
        numbers: (n,) atomic numbers.
    """
    means = _means(counts(numbers))
    return np.array([means.get(int(z), 0.0) for z in numbers], dtype=np.float64)


@lru_cache(maxsize=100_000)
def _means(reduced: tuple[tuple[int, int], ...]) -> dict[int, float]:
    """Mean oxidation state by atomic number; empty for no guess."""
    from pymatgen.core import Composition

    if len(reduced) < 2:
        return {}
    # pymatgen leaves peroxides (Li2O2) unreduced, which its own reduction knows
    composition = Composition({symbols()[z]: n for z, n in reduced}).reduced_composition
    amounts = {e.symbol: int(n) for e, n in sorted(composition.items())}
    sites = [(states(symbol), n) for symbol, n in amounts.items()]
    if not all(own for own, _ in sites):
        return {}
    totals = _best_charges(sites)  # empty where nothing is neutral
    means = [total / n for total, (_, n) in zip(totals, sites, strict=False)]
    return {elements()[symbol].number: q for symbol, q in zip(amounts, means, strict=False)}


@lru_cache(maxsize=128)
def states(symbol: str) -> tuple[tuple[int, int], ...]:
    """Common oxidation states of an element and how often each occurs in the ICSD."""
    from pymatgen.core import Composition, Element, Species

    if Composition.oxi_prob is None:
        Composition("NaCl").oxi_state_guesses()  # loads the table of occurrences
    element = Element(symbol)
    common = element.icsd_oxidation_states or element.common_oxidation_states
    return tuple((int(q), int(Composition.oxi_prob.get(Species(symbol, q), 0))) for q in common)


def _best_charges(sites: list[tuple[tuple[tuple[int, int], ...], int]]) -> list[int]:
    """Total charge of each element in the best neutral combination; empty for none."""
    scores = [_scores(own, n) for own, n in sites]
    rest = [Scores(0, np.zeros(1))]  # of the elements after k, for the last k first
    for own in reversed(scores[1:]):
        rest.append(_combined(own, rest[-1]))
    charges: list[int] = []
    for own, others, (element, n) in zip(scores, reversed(rest), sites, strict=True):
        reach = own.charges()
        total = own.at(reach) + others.at(-sum(charges) - reach)
        if not np.isfinite(total.max()):
            return []
        charges.append(_first(element, n, reach[total == total.max()].tolist()))
    return charges


@lru_cache(maxsize=10_000)
def _scores(own: tuple[tuple[int, int], ...], n: int) -> Scores:
    """Of n sites of an element with these states."""
    lowest = min(q for q, _ in own)
    one = np.full(max(q for q, _ in own) - lowest + 1, -np.inf)
    for q, occurrence in own:
        one[q - lowest] = occurrence
    scores = single = Scores(lowest, one)
    for _ in range(n - 1):
        scores = _combined(single, scores)
    return scores


def _combined(few: Scores, many: Scores) -> Scores:
    """Of two groups of sites together: the max-plus convolution."""
    best = np.full(len(few.best) + len(many.best) - 1, -np.inf)
    for k in np.flatnonzero(np.isfinite(few.best)).tolist():
        part = best[k : k + len(many.best)]
        np.maximum(part, many.best + few.best[k], out=part)
    return Scores(few.lowest + many.lowest, best)


def _first(own: tuple[tuple[int, int], ...], n: int, charges: list[int]) -> int:
    """The charge that the first multiset of n states makes."""
    if len(charges) == 1:
        return charges[0]
    return min(charges, key=lambda charge: _multiset(tuple(q for q, _ in own), n, charge))


def _multiset(own: tuple[int, ...], n: int, charge: int) -> list[int]:
    """Indices of the first multiset of n states whose sum is `charge`."""
    chosen: list[int] = []
    for left in range(n - 1, -1, -1):
        start = chosen[-1] if chosen else 0
        k = next(k for k in range(start, len(own)) if charge - own[k] in _reachable(own[k:], left))
        chosen.append(k)
        charge -= own[k]
    return chosen


@lru_cache(maxsize=10_000)
def _reachable(own: tuple[int, ...], n: int) -> frozenset[int]:
    """Sums of n states."""
    sums = {0}
    for _ in range(n):
        sums = {total + q for total in sums for q in own}
    return frozenset(sums)
