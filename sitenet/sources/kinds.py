"""From the options of a source to its records."""

from collections.abc import Iterator

from sitenet.options.datasets import MatbenchSource, PrototypesSource, SourceSettings, TableSource
from sitenet.sources.records import RawRecord, Rejection


def open_source(settings: SourceSettings) -> tuple[Iterator[RawRecord | Rejection], int]:
    """The records of a source and how many there will be, 0 where that is not known beforehand.

    Raises:
        SourceError: the source cannot be read.
    """
    source = settings.source
    if isinstance(source, PrototypesSource):
        from sitenet.sources import prototypes

        return prototypes.records(source), 0
    if isinstance(source, MatbenchSource):
        from sitenet.sources import matbench

        return matbench.records(source), matbench.count(source)
    if isinstance(source, TableSource):
        from sitenet.sources import table

        return table.records(source, settings.columns), table.count(source)
    from sitenet.sources import cif_folder

    return cif_folder.records(source, settings.columns), cif_folder.count(source)
