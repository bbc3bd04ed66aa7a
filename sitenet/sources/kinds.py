"""The kinds of sources there are."""

from collections.abc import Iterator

from sitenet.options.datasets import SourceSettings
from sitenet.sources.records import RawRecord, Rejection, SourceError

KINDS = ("prototypes", "matbench", "table", "cif_folder")


def open_source(settings: SourceSettings) -> tuple[Iterator[RawRecord | Rejection], int]:
    """The records of a source and how many there will be, 0 where that is not known beforehand.

    Raises:
        SourceError: no such kind, or the source cannot be read.
    """
    kind, source = settings.source["kind"], settings.source
    if kind == "prototypes":
        from sitenet.sources import prototypes

        return prototypes.records(source), 0
    if kind == "matbench":
        from sitenet.sources import matbench

        return matbench.records(source), matbench.count(source)
    if kind == "table":
        from sitenet.sources import table

        return table.records(source, settings.columns), table.count(source)
    if kind == "cif_folder":
        from sitenet.sources import cif_folder

        return cif_folder.records(source, settings.columns), cif_folder.count(source)
    raise SourceError(f"source kind {kind!r}: there are {', '.join(KINDS)}")
