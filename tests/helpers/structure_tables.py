"""Tables of structures, as the sources write them."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from sitenet.sources.structure_table import StructureRow, structure_schema, to_table
from sitenet.structure.cif import Crystal
from sitenet.structure.formula import reduced_formula


def write_structures(path: Path, crystals: Mapping[str, Crystal], row_group: int = 1000) -> Path:
    """Write a table of structures by id, without labels; returns `path`."""
    rows = [
        StructureRow(name, "", reduced_formula(crystal.numbers), crystal, row, {}, {}, "")
        for row, (name, crystal) in enumerate(crystals.items())
    ]
    pq.write_table(to_table(rows, structure_schema({}, [])), path, row_group_size=row_group)
    return path
