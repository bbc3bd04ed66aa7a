"""Options of data sets: where crystals come from, their labels and their split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sitenet.options.model import Output
from sitenet.options.option import LARGEST_SEED, Options, option, required
from sitenet.options.split import SplitSettings

PROTOTYPE_LABELS = (
    *("ewald_energy", "nearest_distance"),
    *("shell_3", "shell_4.5", "shell_6", "shell_9"),
)
"""Columns of the crystals that come with the package."""


@dataclass(frozen=True, kw_only=True)
class PrototypesSource(Options):
    """Crystals that come with the package, with computed labels.

    They are the AFLOW prototypes of pymatgen and ionic substitutions of them. The labels are
    `ewald_energy` (eV/atom), `nearest_distance` (Å), and `shell_3`, `shell_4.5`, `shell_6` and
    `shell_9`, the correlation of the charges of ions 3, 4.5, 6 and 9 Å apart.
    """

    kind: Literal["prototypes"] = "prototypes"
    seed: int = option(0, "Seed of the choice of crystals.", at_least=0, at_most=LARGEST_SEED)
    crystals: int = option(2300, "Number of crystals.", at_least=10, at_most=50_000)


@dataclass(frozen=True, kw_only=True)
class MatbenchSource(Options):
    """A structure task of Matbench v0.1. Its file is downloaded once and checked."""

    kind: Literal["matbench"] = "matbench"
    task: str = required("Matbench task, such as `matbench_mp_gap`.")
    url: str | None = option(None, "Address of the file; null: the official one.")
    sha256: str | None = option(None, "SHA-256 checksum of the file; null: the official one.")
    mirrors: tuple[str, ...] = option((), "Further addresses of the file, tried in order.")
    cache: str = option("data/matbench", "Folder that keeps the file.")


@dataclass(frozen=True)
class IdList(Options):
    """A selection of the rows of a table, with further columns for them."""

    path: str = required("CSV file that lists the ids; its other columns are kept.", not_empty=True)
    id: str = option("id", "Its column of ids.")


@dataclass(frozen=True, kw_only=True)
class TableSource(Options):
    """A CSV or Parquet file with one crystal per row: its CIF text and its labels."""

    kind: Literal["table"] = "table"
    path: str = required("The file, .csv or .parquet.", not_empty=True)
    id: str | None = option(None, "Column of the ids; null: `id` or `material_id`.")
    cif: str = option("cif", "Column of the CIF texts.")
    extra: tuple[str, ...] = option(
        (), "Further columns to keep, as text, such as a given split.", unique=True
    )
    ids: IdList | None = option(None, "List of the ids to use; null: all rows.")


@dataclass(frozen=True, kw_only=True)
class CifFolderSource(Options):
    """A folder of CIF files, with or without labels; an id is a file's name without `.cif`."""

    kind: Literal["cif_folder"] = "cif_folder"
    path: str = required("The folder.", not_empty=True)
    labels: str | None = option(
        None,
        "Table of labels. null: `id_prop.csv` in the folder, lines of `id,value` as for CGCNN, "
        "with or without a header. Any other .csv or .parquet file has a header and may hold "
        "several labels.",
    )
    labelled: bool = option(
        True,
        "Whether there is a table of labels, which also says which files are taken; false takes "
        "all files, for pre-trainings on crystals without labels.",
    )
    id: str | None = option(
        None, "Column of the ids in a table with a header; null: its first column."
    )
    extra: tuple[str, ...] = option(
        (), "Further columns of a table with a header to keep, as text.", unique=True
    )


Source = PrototypesSource | MatbenchSource | TableSource | CifFolderSource


@dataclass(frozen=True)
class TaskSection(Options):
    """A label to predict."""

    column: str = required("Name of the label in the source.", not_empty=True)
    unit: str = required("Its unit, for tables and figures.", not_empty=True)
    output: Output = option(
        "linear",
        "`linear`: any number. `nonnegative`: predictions are clamped at zero, for labels that are "
        "never negative, such as band gaps.",
    )
    known_range: float | None = option(
        None,
        "Distance in Å that the label is known to depend on, which the figure of range compares "
        "measures with; null: not known.",
        more_than=0,
    )


@dataclass(frozen=True)
class DatasetSection(Options):
    """Where crystals come from, and what is predicted, if anything."""

    source: Source = required("Where the crystals come from; the options depend on `kind`.")
    tasks: Mapping[str, TaskSection] = option(
        {}, "Labels to predict, by name; none for crystals that are only learned from without them."
    )
    split: SplitSettings = option(
        SplitSettings(), "How the crystals are divided into training, validation and test."
    )
    max_rejected_fraction: float = option(
        0.2, "The run stops if a larger share of the crystals is unusable.", at_least=0, at_most=1
    )
    shards: int = option(
        2,
        "Number of jobs that featurising is divided into; each should have at least some seconds "
        "of work.",
        at_least=1,
        at_most=999,
    )


@dataclass(frozen=True)
class SourceSettings(Options):
    """The part of a data set's configuration that decides its table of structures.

    `max_rejected_fraction` decides only whether there is one.
    """

    dataset: str
    source: Source
    max_rejected_fraction: float = 1.0

    @property
    def computed(self) -> bool:
        """Whether the source brings labels with its crystals; else they are read from files."""
        return isinstance(self.source, PrototypesSource | MatbenchSource)


@dataclass(frozen=True)
class LabelSettings(Options):
    """The part of a data set's configuration that decides the labels of a task."""

    dataset: str
    source: Source
    task: str
    column: str
