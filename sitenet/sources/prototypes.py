"""The embedded data set: AFLOW prototypes and ionic substitutions of them, with computed labels.

The 288 crystals of the AFLOW library of prototypes (M. J. Mehl et al., Comput. Mater. Sci. 136
(2017) S1, doi:10.1016/j.commatsci.2017.01.017) are distributed with pymatgen; they are real. The
other crystals are derived from them by charge-balanced ionic substitution at a predicted volume
(`sitenet.sources.substitution`): they are plausible, but not known to exist and not relaxed.

The labels are computed from the geometry and the formal charges; they are neither measured nor
calculated from first principles:

ewald_energy         eV/atom  electrostatic energy of the formal charges as point charges, without
                              cutoff: long-ranged
nearest_distance     A        distance to the nearest neighbour, averaged over the atoms: determined
                              by the first shell, short-ranged
shell_3, shell_4.5, shell_6, shell_9  correlation of the charges of ions so many A apart
                              (`sitenet.sources.shell_sums`): of known range

The formal charge of an element is the result of `guess_oxidation` for the composition (the mean
over the element's sites). All labels are therefore functions of a CIF without charges. The CIF
text gives the same charges.

A crystal is omitted if
- its composition is not charge-balanced, or leaves an element without a charge;
- an element has no bond-valence parameters;
- its instability index exceeds `LARGEST_MISFIT` times the root mean square formal charge: distances
  are inconsistent with the charges.
Prototypes that are omitted are reported as rejected, substitutions are skipped.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np
from pymatgen.core import Composition, Element

from sitenet.options.datasets import PrototypesSource
from sitenet.progress import Progress
from sitenet.sources.bond_valence import instability_index, without_parameters
from sitenet.sources.cif_writer import write_cif
from sitenet.sources.ewald import ewald_energy
from sitenet.sources.neighbours import nearest_distance
from sitenet.sources.records import RawRecord, Rejection
from sitenet.sources.shell_sums import shell_sums
from sitenet.sources.substitution import IonicCrystal, Substitution, assignments
from sitenet.structure.oxidation import guess_oxidation

LARGEST_MISFIT = 0.5
"""Largest accepted instability index, relative to the root mean square formal charge."""

SHELLS = (3.0, 4.5, 6.0, 9.0)
"""Distances in A of the labels of known range."""

ATTEMPTS = 200
"""Largest number of substitutions tried for one prototype."""


@dataclass(frozen=True)
class Prototype:
    """One crystal of the AFLOW library."""

    number: int
    """Row in the library."""
    label: str
    """AFLOW name: stoichiometry, Pearson symbol, space group, Wyckoff positions."""
    crystal: IonicCrystal

    @property
    def id(self) -> str:
        """AFLOW name and formula, which are unique together."""
        return f"{self.label}-{formula(self.crystal)}"


def records(source: PrototypesSource) -> Iterator[RawRecord | Rejection]:
    """Yield `source.crystals` labelled crystals: the prototypes, then substitutions of them.

    The result is determined by `source.seed`. An id consists of the AFLOW name of the geometry and
    the formula, as in `AB_cF8_225_a_b-KCl`, and is unique. Extra columns: `parent` (id of the
    prototype) and `origin` (prototype or substituted). Prototypes that cannot be labelled are
    yielded as rejections.
    """
    progress = Progress(source.crystals, "prototypes", "crystals")
    library = [_prototype(number, entry) for number, entry in enumerate(_library())]
    for record in chain(_originals(library), _substituted(library, source.seed)):
        if progress.done == source.crystals:
            break
        yield record
        progress.advance(isinstance(record, RawRecord))
    progress.finish()


def formula(crystal: IonicCrystal) -> str:
    """Reduced formula without brackets, such as CaFeSi2O6, which is safe in file names."""
    symbols = Counter(Element.from_Z(int(z)).symbol for z in crystal.numbers)
    reduced = Composition(symbols).reduced_composition
    return "".join(
        f"{element.symbol}{int(n) if n > 1 else ''}" for element, n in sorted(reduced.items())
    )


def labels(crystal: IonicCrystal) -> dict[str, float] | None:
    """All labels, or None if the distances are inconsistent with the charges.

    That is the case if the instability index exceeds `LARGEST_MISFIT` times the root mean square
    charge.
    """
    parts = (crystal.lattice, crystal.frac, crystal.numbers, crystal.charges)
    instability = instability_index(*parts)
    if instability > LARGEST_MISFIT * np.sqrt(np.mean(crystal.charges**2)):
        return None
    energy = ewald_energy(crystal.lattice, crystal.frac, crystal.charges)
    nearest = nearest_distance(crystal.lattice, crystal.frac)
    sums = shell_sums(crystal.lattice, crystal.frac, crystal.charges, SHELLS)
    shells = {f"shell_{radius:g}": value for radius, value in zip(SHELLS, sums, strict=True)}
    return {"ewald_energy": energy, "nearest_distance": nearest, **shells}


def _library() -> list[dict[str, Any]]:
    """Entries of the AFLOW library as plain values.

    pymatgen's own reader makes objects of all its tables of prototypes, which takes five seconds.
    """
    table = files("pymatgen") / "analysis" / "prototypes" / "aflow_prototypes.json.gz"
    entries: list[dict[str, Any]] = json.loads(gzip.decompress(table.read_bytes()))
    return entries


def _prototype(number: int, entry: dict[str, Any]) -> Prototype:
    """The crystal of a library entry with guessed charges; zeros if there is no guess."""
    structure = entry["snl"]
    elements = [site["species"][0]["element"] for site in structure["sites"]]
    numbers = np.array([Element(symbol).Z for symbol in elements], dtype=np.int64)
    frac = np.array([site["abc"] for site in structure["sites"]]) % 1.0
    for third in (1 / 3, 2 / 3):  # given as 0.33333; the reader of the CIF replaces it too
        frac[np.abs(frac - third) < 1e-4] = third
    crystal = IonicCrystal(
        lattice=np.array(structure["lattice"]["matrix"]),
        frac=frac,
        numbers=numbers,
        charges=guess_oxidation(numbers),
    )
    return Prototype(number, entry["tags"]["aflow"], crystal)


def _originals(library: list[Prototype]) -> Iterator[RawRecord | Rejection]:
    """Each prototype with its labels, or the reason why it has none."""
    for prototype in library:
        crystal, where = prototype.crystal, f"AFLOW library entry {prototype.number}"
        unknown = without_parameters(crystal.numbers)
        if not crystal.charges.all():
            reason = "elements without a charge-balanced set of oxidation states: no ionic labels"
        elif unknown:
            reason = f"no bond-valence parameters for {', '.join(unknown)}"
        elif (values := labels(crystal)) is None:
            reason = (
                "bond valence sums miss the formal charges by more than "
                f"{LARGEST_MISFIT:.0%}: not an ionic crystal"
            )
        else:
            yield _record(prototype.id, crystal, values, prototype, "prototype")
            continue
        yield Rejection(prototype.id, reason, where)


def _substituted(library: list[Prototype], seed: int) -> Iterator[RawRecord]:
    """Substituted crystals, from one prototype after another in turn until all are exhausted."""
    taken = {prototype.id for prototype in library}
    families = [
        _children(prototype, np.random.default_rng([seed, prototype.number]), taken)
        for prototype in library
        if prototype.crystal.charges.all()
    ]
    while families:
        born = [next(family, None) for family in families]
        yield from (record for record in born if record is not None)
        families = [f for f, record in zip(families, born, strict=True) if record is not None]


def _children(
    prototype: Prototype, rng: np.random.Generator, taken: set[str]
) -> Iterator[RawRecord]:
    """Labelled substitutions of a prototype. Ids in `taken` are skipped, new ids added to it."""
    substitution = Substitution(prototype.crystal)
    for new in assignments(prototype.crystal, ATTEMPTS, rng):
        crystal = substitution.crystal(new)
        name = f"{prototype.label}-{formula(crystal)}"
        if name in taken or not np.allclose(guess_oxidation(crystal.numbers), crystal.charges):
            continue
        if (values := labels(crystal)) is not None:
            taken.add(name)
            yield _record(name, crystal, values, prototype, "substituted")


def _record(
    name: str, crystal: IonicCrystal, values: dict[str, float], parent: Prototype, origin: str
) -> RawRecord:
    symbols = [Element.from_Z(int(z)).symbol for z in crystal.numbers]
    return RawRecord(
        id=name,
        cif=write_cif(name, crystal.lattice, symbols, crystal.frac, crystal.charges),
        labels=values,
        extra={"parent": parent.id, "origin": origin},
        where=f"AFLOW library entry {parent.number}",
    )
