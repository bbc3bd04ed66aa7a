"""The reference values in the repository: small, of stated origin, nothing but numbers and CIFs."""

import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np


def test_every_file_has_a_stated_origin(reference: Path) -> None:
    text = (reference / "README.md").read_text()
    origins = text.split("## Origin and licence")[1]
    patterns = re.findall(r"`([\w*.-]+)`", "\n".join(re.findall(r"^\|(.*?)\|", origins, re.M)))
    published = {path.name for path in (reference / "structures").glob("*.cif")}
    for path in reference.rglob("*"):
        if path.suffix == ".cif":
            matching = [pattern for pattern in patterns if fnmatch(path.stem, pattern)]
            assert len(matching) == 1, path.name
        elif path.suffix == ".npz":
            name = path.name.replace("_N50.npz", ".cif")
            assert name in published or f"`{path.name}`" in text, path.name
        elif path.is_file():
            assert path.name in {"README.md", "crystit_v0.3.csv"}
    assert all(any(reference.rglob(f"{pattern}.cif")) for pattern in patterns)


def test_arrays_are_numbers_and_small(reference: Path) -> None:
    assert sum(path.stat().st_size for path in reference.rglob("*")) < 6e6
    for path in reference.glob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[key].dtype.kind in "bif" for key in file.files), path.name
