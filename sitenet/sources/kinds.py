"""Opens a source of any kind."""

from collections.abc import Iterator

from sitenet.options.datasets import MatbenchSource, PrototypesSource, SourceSettings, TableSource
from sitenet.sources.records import RawRecord, Rejection


def open_source(settings: SourceSettings) -> tuple[Iterator[RawRecord | Rejection], int]:
    """The records of a source, and their number, or 0 if that is not known in advance.

    They have labels only if the source brings them with its crystals.

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

        return table.records(source, ()), table.count(source)
    from sitenet.sources import cif_folder

    return cif_folder.records(source, ()), cif_folder.count(source)
