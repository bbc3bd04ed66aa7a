"""Make a model of the package from the runs of a variant, with a card that tells what it is worth.

    python tools/ship.py results/mp/n50/band_gap/sitenet_plus sitenet/trained/band_gap \\
        --data "33,198 crystals of the Materials Project, CC BY 4.0" --made "snakemake ..."

The folder has runs that differ in their seeds, and their `ensemble` (the target
`.../ensemble/metrics.json` of the pipeline). Of the predictions only what `Predictor` reads is
kept: residuals of validation crystals, and in the first run ids and formulas of training crystals.
"""

import argparse
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Element

from sitenet.api.ensemble import Ensemble
from sitenet.evaluate.training_set import NAME as VECTORS
from sitenet.files import read_json
from sitenet.tables import read_table, write_table

COPIED = ("model.safetensors", "model.json", "metrics.json")

FEWEST = 20
"""Test crystals of a kind whose error is told."""

LEVEL = 0.9


def has(*symbols: str) -> Callable[[set[str]], bool]:
    """Whether one of these elements is there."""
    return lambda elements: bool(elements & set(symbols))


METALS = {element.symbol for element in Element if element.is_metal}
ANIONS = ("H", "C", "N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I")
KINDS: dict[str, Callable[[set[str]], bool]] = {
    "of one element": lambda elements: len(elements) == 1,
    "with oxygen": has("O"),
    "with S, Se or Te": has("S", "Se", "Te"),
    "with F, Cl, Br or I": has("F", "Cl", "Br", "I"),
    "with N, P or As": has("N", "P", "As"),
    "with hydrogen": has("H"),
    "metals and semimetals alone": lambda elements: not elements & set(ANIONS),
    "with Cr, Mn, Fe, Co or Ni": has("Cr", "Mn", "Fe", "Co", "Ni"),
    "with lanthanides or actinides": lambda elements: any(
        Element(symbol).is_lanthanoid or Element(symbol).is_actinoid for symbol in elements
    ),
}
"""Chemistry, by the symbols of the elements of a crystal."""

SIZES = ((1, 4), (5, 10), (11, 20), (21, 50), (51, None))
"""Sites of the primitive cell."""


def parts_of(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Kinds of test crystals, and the rows of each."""
    elements = [{e.symbol for e in Composition(formula)} for formula in table.formula]
    for name, belongs in KINDS.items():
        yield name, table[[belongs(symbols) for symbols in elements]]
    for low, high in SIZES:
        chosen = table.n_sites.between(low, high or np.inf)
        yield f"{low} to {high} sites" if high else f"more than {low - 1} sites", table[chosen]


def errors(rows: pd.DataFrame, digits: str = ".3f") -> str:
    """Number, mean and median absolute error of rows, as cells of a table."""
    found = (rows.prediction - rows.target).abs()
    return f"{len(rows):,} | {found.mean():{digits}} | {found.median():{digits}}"


def card(folder: Path, name: str, data: str, made: str) -> str:
    """The card, in Markdown."""
    model = Ensemble.load(folder)
    about, unit = model.about, model.about.unit()
    table = read_table(folder / "ensemble" / "predictions.parquet")
    test, trained = table[table.split == "test"], table[table.split == "train"]
    n = about.features().n_atoms
    fit = test[test.n_sites <= n]
    singles = [
        read_table(member.weights.with_name("predictions.parquet")).query("split == 'test'")
        for member in model.members
    ]
    alone = [float((one.prediction - one.target).abs()[one.n_sites <= n].mean()) for one in singles]
    median = float((fit.target - trained.target.median()).abs().mean())
    interval = model.interval(LEVEL)
    widths = np.array([interval.half_width(spread)[0] for spread in fit.spread])
    within = float(((fit.target - fit.prediction).abs().to_numpy() <= widths).mean())
    seen = {symbol for f in trained.formula for symbol in re.findall("[A-Z][a-z]?", f)}
    rare = sorted(
        symbol
        for symbol in seen
        if sum(symbol in re.findall("[A-Z][a-z]?", f) for f in trained.formula) < FEWEST
    )
    kinds = "\n".join(
        f"| {kind} | {errors(rows)} |" for kind, rows in parts_of(test) if len(rows) >= FEWEST
    )
    mean = float((fit.prediction - fit.target).abs().mean())
    return f"""# {name.replace("_", " ")} ({unit})

`sitenet predict {name} *.cif`, or `sitenet.Predictor.load("{name}")` in Python.

An ensemble of {len(model.members)} Site-Nets (N = {n}) that differ in the seed. Made by

```
{made}
```

## Data

{data}.
{len(trained):,} crystals for training, {(table.split == "val").sum():,} for validation,
{len(test):,} for the errors below; no formula is in two of these parts. Ids of training
and validation crystals are in `seed0/predictions.parquet`; in the predictions a crystal with such
an id has a note. Labels are those of the data, by density functional theory for structures that
were relaxed so: not measurements.

## Errors on formulas that were not seen

Mean absolute error on test crystals of at most {n} sites: **{mean:.4f} {unit}**
({len(fit):,} crystals). Single networks: {", ".join(f"{x:.4f}" for x in alone)}. The median of
the training labels: {median:.3f}. Intervals of {100 * LEVEL:.0f} % hold {100 * within:.1f} % of
these labels.

| test crystals | number | mean absolute error ({unit}) | median |
| --- | --- | --- | --- |
| all | {errors(test)} |
{kinds}

## Not for

- Structures that are far from relaxed, molecules, surfaces, defects, disorder: they are not in
  the data.
- Elements that no training crystal has (the column `unlike` tells), and little for those in
  fewer than {FEWEST} training crystals: {", ".join(rare) or "none"}.
- Cells of more than {n} sites: none was trained on. They are predicted, and the last row tells
  how well.
"""


def ship(folder: Path, out: Path, data: str, made: str) -> None:
    """Write the model to `out`, which is replaced."""
    shutil.rmtree(out, ignore_errors=True)
    for number, run in enumerate(sorted(folder.glob("seed*"))):
        (out / run.name).mkdir(parents=True)
        for file in COPIED:
            shutil.copyfile(run / file, out / run.name / file)
        table = read_table(run / "predictions.parquet")
        if number == 0:  # the one that tells which crystals are unlike the training set
            shutil.copyfile(run / VECTORS, out / run.name / VECTORS)
        kept = table[table.split.isin(["train", "val"] if number == 0 else ["val"])].copy()
        kept.loc[kept.split == "train", ["target", "prediction"]] = np.nan
        columns = ["id", "split", "formula", "target", "prediction"]
        write_table(out / run.name / "predictions.parquet", kept[columns])
    (out / "card.md").write_text(card(folder, out.name, data, made), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the runs of a variant")
    parser.add_argument("out", type=Path, help="folder of the model, whose name it takes")
    parser.add_argument("--data", required=True, help="source and licence of the data")
    parser.add_argument("--made", required=True, help="command that trains the runs")
    given = parser.parse_args()
    for run in given.folder.glob("seed*"):
        read_json(run / "metrics.json")  # an unfinished run has none
    ship(given.folder, given.out, given.data, given.made)
    size = sum(file.stat().st_size for file in given.out.rglob("*") if file.is_file())
    print(f"{given.out}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
