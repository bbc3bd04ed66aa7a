"""Make an encoder of the package from a pre-training, with a card that tells what it is worth.

    python tools/ship_encoder.py results/mp/n50/pretraining/original_seed0 \\
        sitenet/trained/encoder_infomax --kind original --data "..." --made "snakemake ..."

The target `encoders` of the pipeline must have been made: the card has the errors and tests of the
`kind` that the pre-training is one of, from `--tables` (results/tables).
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sitenet.analysis.encoder_tests import ALL, DESCRIPTORS, UNTRAINED
from sitenet.api.ensemble import Ensemble
from sitenet.evaluate.training_set import SEEN
from sitenet.files import read_json
from sitenet.tables import read_table

COPIED = ("model.safetensors", "model.json", "metrics.json", SEEN)

MODEL = "ridge"
SHOWN = {"atoms": "The mean of the atoms' vectors (`sitenet embed --local`)",
         "Z": "The crystal's vector Z (`sitenet embed`)"}  # fmt: skip
"""Representations of the card."""


def card(folder: Path, name: str, kind: str, tables: Path, data: str, made: str) -> str:
    """The card, in Markdown."""
    model = Ensemble.load(folder)
    n = model.features.n_atoms
    network = model.members[0].network
    seen = read_table(folder / SEEN)
    metrics = read_json(folder / "metrics.json")
    tests = pd.read_csv(tables / "encoders_tests.csv")
    tests = tests[(tests.kind == kind) & (tests.model == MODEL)]
    units = pd.read_csv(tables / "encoders.csv").groupby("task").unit.first()
    trainings = int(tests.trainings.max())
    tests = tests[tests.representation.isin(SHOWN)]
    better = [
        int((tests[(tests.against == one) & (tests.task != ALL)].percent < 0).sum())
        for one in (UNTRAINED, DESCRIPTORS)
    ]
    lines = len(tests[(tests.against == UNTRAINED) & (tests.task != ALL)])
    worth = "\n".join(
        f"{text}:\n\n{_table(tests[tests.representation == representation], units)}\n"
        for representation, text in SHOWN.items()
    )
    return f"""# {name.replace("_", " ")} (no label)

`sitenet embed {name} --local *.cif` writes the mean of the atoms' vectors ({network.local_width}
numbers) of each crystal, without `--local` its vector Z ({network.crystal_width} numbers);
`sitenet fit ... --encoder {name}` tries both beside descriptors. It predicts nothing itself.

A Site-Net encoder (N = {n}) that learned by Deep InfoMax (doi:10.1039/d4dd00202d), without labels,
in {metrics["epochs"]} epochs. Made by

```
{made}
```

## Data

{data}.

Used: {(seen.split == "train").sum():,} crystals for training, {(seen.split == "val").sum():,} for
validation. Their ids and formulas are in `{SEEN}`; in what `embed` writes, a crystal
with such an id has a note. No label was read.

## What it is worth

Mean absolute errors of ridge regression on test crystals whose formulas no encoder saw, medians
over draws of the labels and over {trainings} pre-trainings that differ in their seed, of which
this is one. In brackets: the mean change by the trained encoder with its 95 % interval over
pre-trainings (paired t test). Descriptors: the better of ridge regression and extremely
randomised trees on Magpie and MEGNet features of the composition, with density and packing. In
{better[0]} of the {lines} lines below the mean error is lower than with the untrained encoder, in
{better[1]} lower than with descriptors.

{worth}
## Not for

- Predictions: it has no label.
- Where descriptors are better (the tables above): `sitenet fit` tells for your labels.
- Elements that it did not see, molecules, surfaces, defects, disorder; cells of more than {n}
  sites: none was trained on.
"""


def _table(tests: pd.DataFrame, units: pd.Series) -> str:
    """Errors with changes, a line for each task and number of labels."""
    head = "| task | labels | trained | untrained | descriptors |\n| --- " + "| ---: " * 4 + "|"
    return "\n".join([head, *_lines(tests, units)])


def _lines(tests: pd.DataFrame, units: pd.Series) -> Iterator[str]:
    by = tests[tests.task != ALL].set_index(["against", "task", "labels"])
    for task, labels in by.loc[UNTRAINED].index:
        rows = [by.loc[(against, task, labels)] for against in (UNTRAINED, DESCRIPTORS)]
        controls = " | ".join(
            f"{row.control:.4g} ({row.percent:+.0f} %, {row.low:+.0f} to {row.high:+.0f})"
            for row in rows
        )
        yield f"| {task} ({units[task]}) | {labels:,} | {rows[0].error:.4g} | {controls} |"


def ship(folder: Path, out: Path, kind: str, tables: Path, data: str, made: str) -> None:
    """Write the encoder to `out`, which is replaced."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for file in COPIED:
        shutil.copyfile(folder / file, out / file)
    text = card(folder, out.name, kind, tables, data, made)
    (out / "card.md").write_text(text, encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of a pre-training")
    parser.add_argument("out", type=Path, help="folder of the encoder, whose name it takes")
    parser.add_argument("--kind", required=True, help="of the section `encoders`")
    parser.add_argument("--tables", type=Path, default=Path("results/tables"))
    parser.add_argument("--data", required=True, help="source, licence, and what was left out")
    parser.add_argument("--made", required=True, help="command that trains it")
    given = parser.parse_args()
    ship(given.folder, given.out, given.kind, given.tables, given.data, given.made)
    size = sum(file.stat().st_size for file in given.out.rglob("*") if file.is_file())
    print(f"{given.out}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
