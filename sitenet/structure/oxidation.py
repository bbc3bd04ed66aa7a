"""Oxidation states guessed from the composition: the guesses of pymatgen, without its enumeration.

pymatgen's `Composition.oxi_state_guesses` enumerates all multisets of the common oxidation states
of each element. The score of a combination is the sum over sites of how often the ICSD holds the
element in that state, and the guess is the neutral combination with the highest score. Formulas
with large counts take seconds. As the score is a sum over sites, dynamic programming over the total
charge finds the same combination.
"""

from functools import lru_cache
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from sitenet.structure.elements import elements, symbols
from sitenet.structure.formula import counts

Array = np.ndarray[Any, np.dtype[Any]]


PEROXIDE_METALS = frozenset({1, 3, 11, 19, 37, 55})
"""H and alkali metals. pymatgen does not reduce the formulas of their peroxides (Li2O2)."""


AT_ONCE = 2**14
"""Sums of scores of two groups of sites that are made at once."""


class Scores(NamedTuple):
    """Best score for each total charge of a group of sites."""

    lowest: int
    """Charge of the first entry."""
    best: Array
    """Scores of the charges lowest, lowest + 1, ...; -inf for impossible charges."""

    def at(self, charges: Array) -> Array:
        """Scores of `charges`."""
        index = charges - self.lowest
        inside = (index >= 0) & (index < len(self.best))
        return np.where(inside, self.best[np.where(inside, index, 0)], -np.inf)

    def charges(self) -> Array:
        """The possible charges."""
        return np.flatnonzero(np.isfinite(self.best)) + self.lowest


def guess_oxidation(numbers: Array) -> Array:
    """Mean oxidation state of each site's element, (n,) float64; zeros if there is no guess.

    Equals the first of pymatgen's `oxi_state_guesses()` for the reduced composition with elements
    sorted by electronegativity. There is no guess for a single element, for a composition that
    cannot be neutral, or with elements without common oxidation states. Ties are resolved as in
    pymatgen: element by element, the total charge of the first multiset of states, in the order of
    `itertools.combinations_with_replacement`.

    Args:
        numbers: (n,) atomic numbers.
    """
    means = _means(counts(numbers))
    return np.array([means.get(int(z), 0.0) for z in numbers], dtype=np.float64)


@lru_cache(maxsize=100_000)
def _means(reduced: tuple[tuple[int, int], ...]) -> dict[int, float]:
    """Mean oxidation state by atomic number; empty if there is no guess."""
    if len(reduced) < 2:
        return {}
    ordered = sorted(reduced, key=lambda entry: _order(symbols()[entry[0]]))
    if _is_peroxide(reduced):
        ordered = [(number, 2 * n) for number, n in ordered]
    facts = [elements()[symbols()[number]] for number, _ in ordered]
    sites = [(own.states, n) for own, (_, n) in zip(facts, ordered, strict=True)]
    if not all(states for states, _ in sites):
        return {}
    totals = _best_charges(sites)  # empty if no combination is neutral
    return {number: total / n for (number, n), total in zip(ordered, totals, strict=False)}


def _order(symbol: str) -> tuple[float, str]:
    """Sort key of elements, as in pymatgen: by electronegativity, unknown ones last."""
    electronegativity = elements()[symbol].electronegativity
    return (float("inf") if isnan(electronegativity) else electronegativity, symbol)


def _is_peroxide(reduced: tuple[tuple[int, int], ...]) -> bool:
    amounts = dict(reduced)
    metals = PEROXIDE_METALS & set(amounts)
    return len(amounts) == 2 and bool(metals) and amounts.get(8) == amounts[min(metals)] == 1


def _best_charges(sites: list[tuple[tuple[tuple[int, int], ...], int]]) -> list[int]:
    """Total charge of each element in the best neutral combination; empty if there is none."""
    scores = [_scores(own, n) for own, n in sites]
    rest = [Scores(0, np.zeros(1))]  # scores of all elements after the k-th, last k first
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
    """Scores of n sites of an element with the states `own`."""
    lowest = min(q for q, _ in own)
    one = np.full(max(q for q, _ in own) - lowest + 1, -np.inf)
    for q, occurrence in own:
        one[q - lowest] = occurrence
    scores = single = Scores(lowest, one)
    for _ in range(n - 1):
        scores = _combined(single, scores)
    return scores


def _combined(few: Scores, many: Scores) -> Scores:
    """Scores of two groups of sites together: the max-plus convolution."""
    if len(few.best) > len(many.best):
        few, many = many, few
    lowest, width = few.lowest + many.lowest, len(few.best) + len(many.best)
    if len(few.best) * width <= AT_ONCE:
        # Rows that are one entry longer than the result: cut to its length, each begins one later.
        sums = np.full((len(few.best), width), -np.inf)
        sums[:, : len(many.best)] = many.best + few.best[:, None]
        shifted = sums.ravel()[: len(few.best) * (width - 1)].reshape(-1, width - 1)
        return Scores(lowest, shifted.max(axis=0))
    best = np.full(width - 1, -np.inf)
    for k in np.flatnonzero(np.isfinite(few.best)).tolist():
        part = best[k : k + len(many.best)]
        np.maximum(part, many.best + few.best[k], out=part)
    return Scores(lowest, best)


def _first(own: tuple[tuple[int, int], ...], n: int, charges: list[int]) -> int:
    """Among `charges`, that of the first multiset of n states."""
    if len(charges) == 1:
        return charges[0]
    return min(charges, key=lambda charge: _multiset(tuple(q for q, _ in own), n, charge))


def _multiset(own: tuple[int, ...], n: int, charge: int) -> list[int]:
    """Indices of the first multiset of n states that sum to `charge`."""
    chosen: list[int] = []
    for left in range(n - 1, -1, -1):
        start = chosen[-1] if chosen else 0
        k = next(k for k in range(start, len(own)) if charge - own[k] in _reachable(own[k:], left))
        chosen.append(k)
        charge -= own[k]
    return chosen


@lru_cache(maxsize=10_000)
def _reachable(own: tuple[int, ...], n: int) -> frozenset[int]:
    """All possible sums of n states."""
    sums = {0}
    for _ in range(n):
        sums = {total + q for total in sums for q in own}
    return frozenset(sums)
