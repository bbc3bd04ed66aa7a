"""Crystals that a training must not see, since what it learns is tested on them elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sitenet.progress import log
from sitenet.splits.parts import Parts, read_parts
from sitenet.tables import read_arrow


@dataclass(frozen=True)
class Evaluation:
    """A test on the part test of `split`, of the data set with the table `structures`."""

    structures: Path
    split: Path


@dataclass(frozen=True)
class HeldOut:
    """What a training on crystals of the table `structures` must not see.

    datasets: tables of structures of data sets that are held out as a whole. tested: tests of
    the tasks that its result is used for.

    Ids name a crystal only within their data set. So a crystal is recognised by its id within the
    same data set, and by its reduced formula in another one.
    """

    structures: Path
    datasets: tuple[Path, ...] = ()
    tested: tuple[Evaluation, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All that is read."""
        tests = (file for test in self.tested for file in (test.structures, test.split))
        return [self.structures, *self.datasets, *tests]

    def without(self, parts: Parts, label: str) -> Parts:
        """The training and validation crystals of `parts` that may be seen, with its other parts.

        Their number is logged, after `label`, and so is that of the test crystals with a formula
        that is seen nevertheless, as in a split at random. Raises DamagedTable.
        """
        if not self.datasets and not self.tested:
            return parts
        formula = formulas(self.structures)
        out = set()
        for table in self.datasets:
            out |= self._in_common(parts, formula, table, None)
        for test in self.tested:
            out |= self._in_common(parts, formula, test.structures, read_parts(test.split))
        out = {name for name in out if parts.of[name] in ("train", "val")}
        left = parts.without(out)
        seen = {formula[name] for name, part in left.of.items() if part in ("train", "val")}
        log.info(
            f"{label}: {len(out):,} of {sum(p in ('train', 'val') for p in parts.of.values()):,} "
            "crystals held out, since they are in a held-out data set or a test set"
        )
        for test in self.tested:
            tested, names = read_parts(test.split).ids("test"), formulas(test.structures)
            if shared := sum(names[name] in seen for name in tested):
                log.info(
                    f"{label}: {shared:,} of {len(tested):,} test crystals of {test.split} have a "
                    "formula that is trained on, in another crystal"
                )
        return left

    def _in_common(
        self, parts: Parts, formula: dict[str, str], table: Path, split: Parts | None
    ) -> set[str]:
        """Ids of `parts` that are in another table; with a split, in its part test."""
        if table == self.structures:
            return set(parts.of) & set(formula if split is None else split.ids("test"))
        names = formulas(table)
        tested = set(names.values()) if split is None else {names[i] for i in split.ids("test")}
        return {name for name in parts.of if formula[name] in tested}


NOTHING = HeldOut(Path())


def formulas(structures: Path) -> dict[str, str]:
    """Reduced formula by id of a table of structures. Raises DamagedTable."""
    table = read_arrow(structures, ["id", "formula"])
    return dict(zip(table["id"].to_pylist(), table["formula"].to_pylist(), strict=True))


def evaluations(structures: Sequence[str], splits: Sequence[str]) -> tuple[Evaluation, ...]:
    """Tests from the paths of their tables and splits, in the same order; each once."""
    pairs = zip(structures, splits, strict=True)
    return tuple(dict.fromkeys(Evaluation(Path(table), Path(split)) for table, split in pairs))
