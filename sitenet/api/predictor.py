"""`Predictor`: the one way from crystals of any form to labels, vectors and explanations."""

from collections.abc import Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sitenet.api.ensemble import Ensemble, chosen_device
from sitenet.api.given import Columns, Given, given_crystals, number_of
from sitenet.api.output import TEXTS, Written, write_rows
from sitenet.api.reading import read_kinds
from sitenet.api.rows import Compute, Prediction, Row, plain, predicted
from sitenet.crystal.featurise import MergedCrystal
from sitenet.few.files import is_fit
from sitenet.guard import SECONDS
from sitenet.model.inference import embed
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.parallel import chunked
from sitenet.progress import Progress
from sitenet.shards.guarded import Kinds
from sitenet.shards.store import CrystalStore

if TYPE_CHECKING:  # slow to import, and the command line does without
    import pandas as pd

    from sitenet.api.fitted import FittedModel

TOGETHER = 512
"""Crystals that are in memory at a time."""

LEVEL = 0.9
TRAINED = "a crystal of this name is in the training set"
NOT_FINITE = "the model's result is not a finite number"


class Predictor:
    """A trained model, or an ensemble of them, ready to be applied.

    Crystals are given in any form that `given_crystals` takes: paths of CIF or POSCAR files,
    folders, tables with a column of CIF texts, patterns, texts, Structures of pymatgen, Atoms of
    ASE, and any iterable or mapping of these. Every crystal has a row in the result: one that
    cannot be used has its reason there, and the others go on.
    """

    def __init__(self, ensemble: Ensemble, device: str = "auto", name: str = "") -> None:
        self.ensemble, self.name = ensemble, name
        self.device = chosen_device(device)

    @classmethod
    def load(cls, model: str | Path, device: str = "auto") -> "Predictor":
        """Read a model: nothing in it is executed.

        Args:
            model: the name of a model that comes with the package (`band_gap`), or the path of a
                model.safetensors, of the folder of a run, of a folder of runs that differ in
                their seeds, which are an ensemble, or of what `sitenet fit` wrote.
            device: `auto` (a GPU if there is one), `cpu`, `gpu` or `cuda:1`.

        Raises:
            UnusableModel: it does not exist, is damaged or of another program.
            ValueError: there is no such device.
        """
        if is_fit(Path(model)):
            from sitenet.api.fitted import FittedModel

            return FittedPredictor(FittedModel(Path(model)), device)
        return cls(Ensemble.load(model), device, str(model))

    @property
    def features(self) -> FeatureSettings:
        """How crystals are featurised."""
        return self.ensemble.features

    @property
    def kinds(self) -> Kinds:
        """All ways in which crystals are featurised."""
        return (self.features,)

    @property
    def unit(self) -> str:
        """Unit of the label. Raises UnusableModel for a model without one."""
        return self.ensemble.about.unit()

    def info(self) -> dict[str, Any]:
        """What the model is, in plain values (see `sitenet.api.info.describe`)."""
        from sitenet.api.info import describe

        return describe(self.ensemble, self.name)

    def predict(self, crystals: Any, *, level: float = LEVEL, **options: Any) -> "pd.DataFrame":
        """A data frame with a row for each crystal and the columns of `Prediction`.

        Args:
            crystals: see `given_crystals`.
            level: probability with which a label is within its interval.
            options: as for `stream`.
        """
        return _frame(Prediction._fields, self.stream(crystals, level=level, **options))

    def stream(
        self,
        crystals: Any,
        *,
        level: float = LEVEL,
        columns: Columns = Columns(),  # noqa: B008
        seconds: float = SECONDS,
        workers: int | None = None,
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order: any number of crystals in bounded memory.

        Args:
            crystals: see `given_crystals`.
            level: probability with which a label is within its interval.
            columns: names in tables of crystals.
            seconds: largest processor time for reading one crystal.
            workers: processes that read and featurise; None for one per core.

        Raises:
            UnusableModel: the model has no label.
        """
        rows = self._predictions(level)
        given = given_crystals(crystals, columns)
        found = self._computed(given, rows, seconds, workers, number_of(crystals))
        return map(Prediction._make, found)

    def embed(self, crystals: Any, *, local: bool = False, **options: Any) -> "pd.DataFrame":
        """A data frame of vectors: id, problem, note, z1, z2, ...

        Args:
            crystals: see `given_crystals`.
            local: means of the atoms' vectors instead of the crystal's vector Z.
            options: columns, seconds and workers, as for `stream`.
        """
        return _frame(
            self.vector_columns(local), self.stream_vectors(crystals, local=local, **options)
        )

    def stream_vectors(
        self,
        crystals: Any,
        *,
        local: bool = False,
        columns: Columns = Columns(),  # noqa: B008
        seconds: float = SECONDS,
        workers: int | None = None,
    ) -> Iterator[Row]:
        """Rows of `embed` one by one. ValueError for an ensemble."""
        rows = self._vectors(local)
        given = given_crystals(crystals, columns)
        return self._computed(given, rows, seconds, workers, number_of(crystals))

    def vectors(self, store: CrystalStore, local: bool = False) -> NDArray[np.float32]:
        """Vectors (n, width) of featurised crystals; see `embed`. ValueError for an ensemble."""
        return embed(self._single(), store.to(self.device), local)

    def vector_columns(self, local: bool = False) -> tuple[str, ...]:
        """Names of the columns of `embed`. ValueError for an ensemble."""
        network = self._single()
        width = network.local_width if local else network.crystal_width
        return ("id", "problem", "note", *(f"z{k + 1}" for k in range(width)))

    def write(
        self,
        crystals: Any,
        out: Path,
        *,
        level: float = LEVEL,
        columns: Columns = Columns(),  # noqa: B008
        seconds: float = SECONDS,
        workers: int | None = None,
    ) -> Written:
        """Write predictions to a CSV, JSON or Parquet file, as `out` ends.

        Finished rows are kept in `OUT.unfinished`: the same call continues one that was
        interrupted. Arguments and errors as for `stream`; ValueError for any other suffix.
        """
        rows = self._predictions(level)
        of = partial(self._computed, rows=rows, seconds=seconds, workers=workers)
        made_by = ["predict", level, *self._made_by()]
        return write_rows(out, Prediction._fields, given_crystals(crystals, columns), of, made_by,
                          number_of(crystals))  # fmt: skip

    def write_vectors(
        self,
        crystals: Any,
        out: Path,
        *,
        local: bool = False,
        columns: Columns = Columns(),  # noqa: B008
        seconds: float = SECONDS,
        workers: int | None = None,
    ) -> Written:
        """Write the rows of `embed` as `write` does."""
        of = partial(self._computed, rows=self._vectors(local), seconds=seconds, workers=workers)
        made_by = ["embed", local, *self._made_by()]
        return write_rows(out, self.vector_columns(local), given_crystals(crystals, columns), of,
                          made_by, number_of(crystals))  # fmt: skip

    def explain(self, crystal: Any, out: Path, **options: Any) -> list[Path]:
        """Write what the model attends to in one crystal (`sitenet.api.explanation.explain`)."""
        from sitenet.api.explanation import explain

        return explain(self.ensemble, crystal, out, **options)

    def _single(self) -> SiteNet:
        """The only member. Raises ValueError for an ensemble."""
        if len(self.ensemble.members) > 1:
            raise ValueError(
                f"{self.name} is an ensemble, whose members have different vectors: give one run"
            )
        return self.ensemble.members[0].network

    def _made_by(self) -> list[str]:
        """What identifies the weights of an interrupted run."""
        stats = [member.weights.stat() for member in self.ensemble.members]
        return [f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats]

    def _predictions(self, level: float) -> Compute:
        """What makes the rows of `predict`. Raises UnusableModel for a model without a label."""
        ensemble, unit = self.ensemble, self.unit
        interval = ensemble.interval(level)
        known = ensemble.known
        bounded = ensemble.about.model.output == "nonnegative"

        def compute(crystals: list[tuple[MergedCrystal, ...]]) -> list[Row | str]:
            found = ensemble.predict(self._store(crystals))
            rows: list[Row | str] = []
            for k, (crystal, *_) in enumerate(crystals):
                value = found.prediction[k]
                spread = None if found.spread is None else found.spread[k]
                unlike = known.unlike(crystal.numbers, found.vectors[k]) if known else ""
                row = predicted(value, spread, interval, bounded, unit, unlike)
                rows.append(row if np.isfinite(value) else NOT_FINITE)
            return rows

        empty = (None, None, None, "", None, unit, "")
        return Compute(compute, empty, last=True, trained=known.ids if known else frozenset())

    def _vectors(self, local: bool) -> Compute:
        self._single()
        known = self.ensemble.known

        def compute(crystals: list[tuple[MergedCrystal, ...]]) -> list[Row | str]:
            return [
                tuple(map(plain, vector)) if np.isfinite(vector).all() else NOT_FINITE
                for vector in self.vectors(self._store(crystals), local)
            ]

        empty = (None,) * (len(self.vector_columns(local)) - 3)
        return Compute(compute, empty, last=False, trained=known.ids if known else frozenset())

    def _store(self, crystals: list[tuple[MergedCrystal, ...]]) -> CrystalStore:
        """The crystals in memory, for networks."""
        names = [str(k) for k in range(len(crystals))]
        return CrystalStore.from_crystals(names, [one[0] for one in crystals]).to(self.device)

    def _computed(
        self,
        given: Iterable[Given],
        rows: Compute,
        seconds: float,
        workers: int | None,
        total: int = 0,
    ) -> Generator[Row, None, None]:
        """A row for each crystal, in order."""
        progress = Progress(total, "crystals", "read and computed")
        read = read_kinds(given, self.kinds, seconds, workers)
        for chunk in chunked(read, TOGETHER):
            crystals = [crystal for _, (crystal, _, _) in chunk if crystal is not None]
            found: Iterator[Row | str] = iter(())
            if crystals:
                found = iter(rows.compute(crystals))
            for one, (crystal, problem, note) in chunk:
                if {one.id, Path(one.id).name.removesuffix(".cif")} & rows.trained:
                    note = f"{note}; {TRAINED}" if note else TRAINED
                result = problem if crystal is None else next(found)
                if isinstance(result, str):
                    yield rows.row(printable(one.id), rows.empty, result, note)
                else:
                    yield rows.row(printable(one.id), result, problem, note)
                progress.advance()


class FittedPredictor(Predictor):
    """The best model for few labels, from a folder that `sitenet fit` wrote: it has no vectors."""

    def __init__(self, model: "FittedModel", device: str = "auto") -> None:
        self.model, self.name = model, str(model.folder)
        self.device = chosen_device(device)

    @property
    def features(self) -> FeatureSettings:
        """How crystals are featurised."""
        return self.kinds[0]

    @property
    def kinds(self) -> Kinds:
        """All ways in which crystals are featurised."""
        return self.model.fit.kinds

    @property
    def unit(self) -> str:
        """Unit of the label."""
        return self.model.unit

    def info(self) -> dict[str, Any]:
        """What was chosen and how good it is, with the report as its card."""
        return self.model.info()

    def explain(self, crystal: Any, out: Path, **options: Any) -> list[Path]:
        """Raises ValueError: trees and regressions have no attention."""
        raise ValueError(f"{self.name} is of sitenet fit, which has no attention to explain")

    def _single(self) -> SiteNet:
        raise ValueError(f"{self.name} is of sitenet fit, which has no vectors: give an encoder")

    def _made_by(self) -> list[str]:
        return self.model.made_by()

    def _predictions(self, level: float) -> Compute:
        return self.model.predictions(level, self.device)


def printable(name: str) -> str:
    """A name as UTF-8: bytes of file names that are none are written as \\udc.."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _frame(columns: tuple[str, ...], rows: Iterable[Row]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(columns))
    numbers = {name: "float64" for name in columns if name not in TEXTS}
    return frame.astype(numbers)
