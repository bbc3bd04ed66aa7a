"""Wrong configurations, as users write them: each is refused before any job, in words that help.

`refused` lays a configuration over the default one and asks for the files of its data set, as the
first rule of the pipeline does at a dry run.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from sitenet.options.config import ConfigError
from sitenet.plan.configuration import complete
from sitenet.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


def refused(text: str) -> str:
    """What is told about a configuration in YAML."""
    try:
        plan = Plan(complete(yaml.safe_load(text), ROOT, []))
        files = [plan.dataset(name).source_files for name in plan.config["datasets"]]
    except ConfigError as error:
        return str(error)
    pytest.fail(f"accepted; it reads {files}")


def of(section: str, options: str) -> str:
    """YAML of options in a nested section."""
    *parents, last = section.split(".")
    return (
        "".join(f"{{{name}: " for name in parents)
        + f"{{{last}: {options}"
        + "}" * (len(parents) + 1)
    )


FEW = "{experiments: [{name: a, dataset: prototypes, task: ewald_energy, encoders: [ENCODER]}]}"
RUN = "dataset: prototypes, n: 50, tasks: [ewald_energy]"


@pytest.mark.parametrize(
    ("section", "options", "told"),
    [
        # numbers that are none
        ("training", "{learning_rate: .nan}", "learning_rate must be a finite number, not nan"),
        ("training", "{learning_rate: 'nan'}", "learning_rate must be a number, not 'nan'"),
        ("training", "{weight_decay: .inf}", "weight_decay must be a finite number, not inf"),
        ("training", "{gradient_clip: -.inf}", "gradient_clip must be a finite number, not -inf"),
        ("training", "{memory_gib: .inf}", "memory_gib must be a finite number, not inf"),
        ("training", "{warmup_epochs: .nan}", "warmup_epochs must be a finite number"),
        ("infomax", "{loss: {beta: .nan}}", "infomax.loss.beta must be a finite number, not nan"),
        ("infomax", "{transfer: {training: {eps: .nan}}}", "transfer.training.eps must be"),
        ("model", "{cutoff: .inf}", "model.cutoff must be a finite number or null, not inf"),
        ("variants", "{a: {training: {eps: .nan}}}", "variants.a.training.eps must be a finite"),
        ("features", "{primitive_tolerance: .nan}", "primitive_tolerance must be a finite number"),
        ("tuning", "{ewald_energy: {ranges: {learning_rate: [.nan, 1]}}}",
         "tuning.ewald_energy.ranges.learning_rate[0] must be a finite number, not nan"),
        ("datasets", "{prototypes: {split: {test: .nan}}}", "split.test must be a finite number"),
        ("datasets", "{prototypes: {max_rejected_fraction: .nan}}", "must be a finite number"),
        ("training", "{learning_rate: 1_0e-3x}", "learning_rate must be a number, not '1_0e-3x'"),
        ("training", "{learning_rate: '\u0663'}", "learning_rate must be a number, not '\u0663'"),
        ("training", "{max_epochs: true}", "training.max_epochs must be a whole number, not True"),
        ("training", "{max_epochs: 10.0}", "max_epochs must be a whole number, not 10.0"),
        ("training", "{max_epochs: [10]}", "max_epochs must be a whole number, not [10]"),
        ("training", "{max_epochs: null}", "max_epochs must be a whole number, not None"),
        ("training", "null", "training must be a section of options, not None"),
        # the geometry of sites where there is none
        ("model", "{site_geometry: true}", "model.site_geometry needs features.site_geometry"),
        ("variants", "{a: {model: {site_geometry: true}}}", "variants.a.model.site_geometry needs"),
        ("infomax", "{model: {site_geometry: true}}", "infomax.model.site_geometry must be false:"),
        # sizes that cannot be meant
        ("runs", f"[{{{RUN}, n: 1e8}}]", "runs[0].n must be a whole number, not 100000000.0"),
        ("runs", f"[{{{RUN}, n: 100000000}}]", "runs[0].n must be at most 10000, not 100000000"),
        ("runs", f"[{{{RUN}, n: 0}}]", "runs[0].n must be at least 1, not 0"),
        ("runs", f"[{{{RUN}, n: -50}}]", "runs[0].n must be at least 1, not -50"),
        ("runs", f"[{{{RUN}, n: 50.5}}]", "runs[0].n must be a whole number, not 50.5"),
        ("runs", f"[{{{RUN}, n: fifty}}]", "runs[0].n must be a whole number, not 'fifty'"),
        ("infomax", "{pretrainings: {crystals: {n: 99999}}}", "crystals.n must be at most 10000"),
        ("tuning", "{ewald_energy: {n: 99999}}", "tuning.ewald_energy.n must be at most 10000"),
        ("training", "{devices: 99}", "training.devices must be at most 64, not 99"),
        ("training", "{devices: 0}", "training.devices must be at least 1, not 0"),
        ("infomax", "{training: {devices: 99}}", "infomax.training.devices must be at most 64"),
        ("variants", "{a: {training: {devices: 99}}}", "variants.a.training.devices must be at"),
        ("model", "{heads: 100000}", "model.heads must be at most 100, not 100000"),
        ("model", "{pre_pool_layers: [1000000]}", "pre_pool_layers[0] must be at most 10000"),
        ("datasets", "{prototypes: {source: {crystals: 100000000}}}", "crystals must be at most"),
        # seeds, repetitions, empty lists
        ("runs", f"[{{{RUN}, seeds: [-1]}}]", "runs[0].seeds[0] must be at least 0, not -1"),
        ("runs", f"[{{{RUN}, seeds: [99999999999]}}]", "seeds[0] must be at most 4294967295"),
        ("runs", f"[{{{RUN}, seeds: [0, 1, 0]}}]", "runs[0].seeds: 0 is there twice"),
        ("runs", f"[{{{RUN}, seeds: []}}]", "runs[0].seeds must be given, not empty"),
        ("runs", f"[{{{RUN}, seeds: 3}}]", "runs[0].seeds must be a list, not 3"),
        ("runs", f"[{{{RUN}, tasks: []}}]", "runs[0].tasks must be given, not empty"),
        ("runs", f"[{{{RUN}, tasks: [ewald_energy, ewald_energy]}}]", "is there twice"),
        ("runs", f"[{{{RUN}}}, {{{RUN}}}]", "runs[1] repeats runs[0]: remove one of them"),
        ("runs", "[]", "runs must be given, not empty"),
        ("runs", f"{{{RUN}}}", "runs must be a list, not"),
        ("datasets", "{prototypes: {split: {seed: -3}}}", "split.seed must be at least 0, not -3"),
        ("infomax", "{transfer: {label_counts: [50, 50]}}", "label_counts: 50 is there twice"),
        ("infomax", "{representation: {descriptors: [xrd, xrd]}}", "'xrd' is there twice"),
        ("infomax", "{pretrainings: {crystals: {hold_out: [prototypes, prototypes]}}}", "twice"),
        # names that would be paths
        ("datasets", "{../x: {}}", "datasets: the name '../x' may hold letters, digits, - and _"),
        ("datasets", "{a/b: {}}", "datasets: the name 'a/b' may hold letters, digits, - and _"),
        ("datasets", "{'': {}}", "datasets: the name '' may hold letters, digits, - and _ only"),
        ("datasets", "{prototypes: {tasks: {../e: {column: e, unit: eV}}}}", "the name '../e' may"),
        ("variants", "{'a.b': {}}", "variants: the name 'a.b' may hold letters, digits, - and _"),
        ("infomax", "{pretrainings: {../p: {dataset: prototypes, n: 5, split: ewald_energy}}}",
         "infomax.pretrainings: the name '../p' may hold letters, digits, - and _ only"),
        ("runs", f"[{{{RUN}, variant: ../x}}]", "runs[0].variant: there is no '../x'; variants:"),
        # unknown and wrong keys
        ("modell", "{heads: 3}", "modell is unknown (did you mean model?)"),
        ("infomax", "{loss: {betta: 1}}", "infomax.loss.betta is unknown (did you mean beta?)"),
        ("datasets", "{prototypes: {source: {seeds: 1}}}", "is unknown (did you mean seed?)"),
        ("runs", f"[{{{RUN}, seed: [0]}}]", "runs[0].seed is unknown (did you mean seeds?)"),
        ("model", "{pooling: avg}", "model.pooling must be one of mean, max, self_attention, not"),
        # splits and numbers of crystals
        ("datasets", "{prototypes: {split: {test: 1}}}", "split.test must be less than 1, not 1"),
        ("datasets", "{prototypes: {split: {test: 0}}}", "split.test must be more than 0, not 0"),
        ("datasets", "{prototypes: {split: {validation: 1.5}}}", "validation must be less than 1"),
        ("datasets", "{prototypes: {split: {train_size: 2300}}}",
         "split.train_size must be less than source.crystals, 2300, not 2300"),
        ("datasets", "{prototypes: {split: {hold_out: [mine]}}}",
         "datasets.prototypes.split.hold_out: there is no 'mine'; data sets: prototypes"),
        ("datasets", "{prototypes: {split: {hold_out: [prototypes]}}}", "cannot hold out itself"),
        ("few_labels", "{label_counts: [50, 100], masks: [1, 2, 3]}", "masks has 3 numbers for 2"),
        ("few_labels", FEW.replace("ENCODER", "alll"), "'alll' is no pre-training (crystals,"),
        ("few_labels", FEW.replace("ENCODER", "prototypes/n50/gap/sitenet/seed0"),
         "few_labels.experiments[0].encoders: there is no 'gap'; tasks of prototypes: ewald_"),
        ("few_labels", FEW.replace("ENCODER", "all*"), "'all0' is no pre-training (crystals,"),
        ("few_labels", FEW.replace("ENCODER", "mp/n50/gap/sitenet/seed0"),
         "few_labels.experiments[0].encoders: there is no 'mp'; data sets: prototypes"),
        ("few_labels", FEW.replace("ENCODER", "prototypes/n50/ewald_energy/big/seed0"),
         "few_labels.experiments[0].encoders: there is no 'big'; variants: sitenet, cutoff5"),
        ("datasets", "{prototypes: {split: {train_size: 0}}}", "train_size must be at least 1"),
        ("datasets", "{prototypes: {split: {kind: column}}}", "'split' must be among the `extra`"),
        ("datasets", "{prototypes: {split: {fold: 5}}}", "split.fold must be at most 4, not 5"),
        ("infomax", "{representation: {label_counts: [500], pool: 400}}",
         "infomax.representation.label_counts: 500 labels cannot be drawn from a pool of 400"),
        ("infomax", "{transfer: {label_counts: [5], validation: 0.95}}",
         "infomax.transfer.validation: with 5 for validation, 5 labels leave none to train on"),
        ("tuning", "{ewald_energy: {grace_epochs: 50}}", "grace_epochs must be at most max_epochs"),
    ],
)  # fmt: skip
def test_of_options(section: str, options: str, told: str) -> None:
    assert told in refused(of(section, options))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Crystals in a folder and in tables."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"id": ["a", "b"], "cif": ["x", "y"], "gap": [1, 2], "part": ["t", "u"]})
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet")
    (tmp_path / "ids.csv").write_text("id,split\na,train\n")
    for folder in ("cifs", "bare", "none"):
        (tmp_path / folder).mkdir()
    for name in ("cifs/a.cif", "cifs/b.cif", "bare/a.cif"):
        (tmp_path / name).write_text("data_x")
    (tmp_path / "cifs" / "id_prop.csv").write_text("a,1\nb,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    return tmp_path


GAP = {"tasks": {"gap": {"column": "gap", "unit": "eV"}}}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("source", "others", "told"),
    [
        ("kind: table, path: no.csv", {}, "mine.source.path: there is no file no.csv"),
        ("kind: table, path: cifs", {}, "mine.source.path: there is no file cifs"),
        ("kind: table, path: empty.csv", {}, "mine.source.path: empty.csv is empty"),
        ("kind: table, path: broken.parquet", {},
         "mine.source.path: broken.parquet cannot be read"),
        ("kind: table, path: cifs/a.cif", {},
         "mine.source.path: cifs/a.cif: a table is a .parquet or .csv file"),
        ("kind: table, path: t.csv, id: name", {},
         "mine.source.id: t.csv has no column 'name'; it has id, cif, gap, part"),
        ("kind: table, path: t.parquet, cif: cifs", {},
         "mine.source.cif: t.parquet has no column 'cifs' (did you mean cif?); it has id, cif"),
        ("kind: table, path: t.csv", {"tasks": {"e": {"column": "gapp", "unit": "eV"}}},
         "mine.tasks.e.column: t.csv has no column 'gapp' (did you mean gap?)"),
        ("kind: table, path: t.csv, extra: [parts]", {},
         "mine.source.extra: t.csv has no column 'parts' (did you mean part?)"),
        ("kind: table, path: t.csv, ids: {path: no.csv}", {},
         "mine.source.ids.path: there is no file no.csv"),
        ("kind: table, path: t.csv, ids: {path: ids.csv, id: name}", {},
         "mine.source.ids.id: ids.csv has no column 'name'; it has id, split"),
        ("kind: table, path: t.csv, ids: {path: ids.csv}",
         {"split": {"kind": "column", "column": "parts"}},
         "mine.split.column: ids.csv has no column 'parts'; it has id, split"),
        ("kind: table, path: t.csv, extra: [split]", {"split": {"kind": "column"}},
         "mine.source.extra: t.csv has no column 'split'"),
        ("kind: table, path: t.csv", {"split": {"kind": "column"}},
         "mine.split.column: 'split' must be among the `extra` columns"),
        ("kind: table, path: t.parquet", {"split": {"train_size": 2}},
         "mine.split.train_size must be less than the number of crystals, 2, not 2"),
        ("kind: prototypes", {"tasks": {"e": {"column": "ewald", "unit": "eV"}}},
         "mine.tasks.e.column: a source of kind prototypes has no 'ewald'; it has ewald_energy,"),
        ("kind: cif_folder, path: gone", {}, "mine.source.path: there is no folder gone"),
        ("kind: cif_folder, path: t.csv", {}, "mine.source.path: there is no folder t.csv"),
        ("kind: cif_folder, path: none", {}, "mine.source.path: none holds no .cif files"),
        ("kind: cif_folder, path: bare", {},
         "mine.source.labels: there is no table of labels bare/id_prop.csv; name the one to use"),
        ("kind: cif_folder, path: bare, labelled: false", {},
         "mine.tasks: source.labelled is false: there are no labels"),
        ("kind: cif_folder, path: bare, labelled: false, labels: t.csv", {"tasks": {}},
         "mine.source.labels: source.labelled is false: there are no labels"),
        ("kind: cif_folder, path: cifs, labels: no.csv", {},
         "mine.source.labels: there is no file no.csv"),
        ("kind: cif_folder, path: cifs, labels: t.csv, id: name", {},
         "mine.source.id: t.csv has no column 'name'"),
        ("kind: cif_folder, path: cifs, labels: t.csv, extra: [split]", {},
         "mine.source.extra: t.csv has no column 'split'"),
        ("kind: cif_folder, path: cifs, extra: [split]", {},
         "mine.source.extra: cifs/id_prop.csv has one value per crystal; name a table"),
        ("kind: cif_folder, path: cifs", {"tasks": {
            "a": {"column": "a", "unit": "eV"}, "b": {"column": "b", "unit": "eV"}}},
         "mine.tasks.b.column: cifs/id_prop.csv has one value per crystal; name a table"),
        ("kind: cif_folder, path: cifs", {"split": {"train_size": 9}},
         "mine.split.train_size must be less than the number of crystals, 2, not 9"),
    ],
)  # fmt: skip
def test_of_files(source: str, others: dict[str, Any], told: str) -> None:
    section = {"source": yaml.safe_load(f"{{{source}}}"), **GAP, **others}
    message = refused(yaml.safe_dump({"datasets": {"mine": section}}))
    assert f"datasets.{told}" in message


@pytest.mark.usefixtures("files")
def test_all_that_is_wrong_with_files_is_told_at_once() -> None:
    section = {"source": {"kind": "table", "path": "t.csv", "id": "x", "cif": "y"}, **GAP}
    message = refused(yaml.safe_dump({"datasets": {"mine": section}}))
    assert len(message.splitlines()) == 2
