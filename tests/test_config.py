"""The configuration: what its schema refuses and fills in, and that every ready one is valid."""

import copy
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from sitenet.options.config import ConfigError, checked, overlaid
from sitenet.options.datasets import DatasetSection
from sitenet.options.features import FeatureSection
from sitenet.options.model import ModelSettings
from sitenet.options.option import Options, options_of
from sitenet.options.split import SplitSettings
from sitenet.options.training import TrainingSettings

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
READY = sorted((ROOT / "config").glob("*.yaml"))


def names(group: type[Options]) -> set[str]:
    return {option.name for option in options_of(group)}


def mistakes(overlay: dict) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(overlaid(DEFAULT, overlay), "config.yaml")
    return str(caught.value).splitlines()


def source(**values: object) -> dict:
    return {"datasets": {"mine": {"source": values, "tasks": {"e": {"column": "e", "unit": "eV"}}}}}


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            {"training": {"learning_rat": 1.0}},
            "training.learning_rat is unknown (did you mean learning_rate?); allowed: amsgrad,",
        ),
        (
            {"speed": 9},
            "speed is unknown; allowed: datasets, encoders, features, few_labels, infomax, limits,",
        ),
        ({"training": {"max_epochs": 2.5}}, "training.max_epochs must be a whole number, not 2.5"),
        ({"training": {"amsgrad": 1}}, "training.amsgrad must be true or false, not 1"),
        ({"training": {"eps": "tiny"}}, "training.eps must be a number, not 'tiny'"),
        ({"model": {"cutoff": -1}}, "model.cutoff must be more than 0, not -1"),
        ({"model": {"cutoff": "5 A"}}, "model.cutoff must be a number or null, not '5 A'"),
        ({"model": {"norm": "group"}}, "model.norm must be one of layer, batch, none, not 'group'"),
        (
            {"model": {"post_pool_layers": [200, 0]}},
            "model.post_pool_layers[1] must be at least 1, not 0",
        ),
        ({"variants": {"a": {"model": {"head": 1}}}}, "variants.a.model.head is unknown"),
        ({"variants": {"a b": {}}}, "variants: the name 'a b' may hold letters, digits, - and _"),
        (
            {"tuning": {"ewald_energy": {"task": "ewald"}}},
            "tuning.ewald_energy.task: there is no 'ewald'; tasks of prototypes: ewald_energy,",
        ),
        (
            {"tuning": {"ewald_energy": {"ranges": {"heads": [4, 2]}}}},
            "tuning.ewald_energy.ranges.heads must be [smallest, largest], not [4, 2]",
        ),
        ({"runs": []}, "runs must be given, not empty"),
        ({"runs": [{"dataset": "prototypes", "n": 50}]}, "runs[0].tasks is missing"),
        (
            {
                "runs": [
                    {"dataset": "prototypes", "n": 9, "tasks": ["ewald_energy"], "figures": False}
                ]
            },
            "runs: figures is false in all of them",
        ),
        (source(kind="table"), "datasets.mine.source.path is missing"),
        (source(kind="table", path="a.csv", seed=1), "datasets.mine.source.seed is unknown"),
        (source(kind="table", path="a.csv", max_sites=9), "datasets.mine.source.max_sites is unk"),
        (
            {"datasets": {"prototypes": {"source": "files"}}},
            "datasets.prototypes.source must be a section of options, not 'files'",
        ),
        (
            {
                "infomax": {
                    "experiments": [
                        {
                            "name": "a",
                            "dataset": "prototypes",
                            "n": 50,
                            "task": "ewald_energy",
                            "pretraining": "crystals",
                            "supervised": {"dataset": "prototypes", "task": "gap"},
                        }
                    ]
                }
            },
            "infomax.experiments[0].supervised.task: there is no 'gap'; tasks of prototypes: ewald",
        ),
        (source(kind="cif"), "datasets.mine.source.kind must be one of prototypes, matbench,"),
        (
            {"datasets": {"prototypes": {"split": {"test": 1.0}}}},
            "datasets.prototypes.split.test must be less than 1, not 1.0",
        ),
        (
            {"datasets": {"prototypes": {"split": {"kind": "column", "column": "part"}}}},
            "datasets.prototypes.split.column: 'part' must be among the `extra` columns",
        ),
        (
            {"runs": [{"dataset": "mp", "n": 50, "tasks": ["gap"]}]},
            "runs[0].dataset: there is no 'mp'; data sets: prototypes",
        ),
        (
            {"runs": [{"dataset": "prototypes", "n": 50, "tasks": ["gap"]}]},
            "runs[0].tasks: there is no 'gap'; tasks of prototypes: ewald_energy, nearest",
        ),
        (
            {
                "runs": [
                    {"dataset": "prototypes", "n": 9, "tasks": ["ewald_energy"], "variant": "x"}
                ]
            },
            "runs[0].variant: there is no 'x'; variants: sitenet, cutoff5",
        ),
        (
            {
                "datasets": {
                    "tables": {
                        "source": {"kind": "prototypes"},
                        "tasks": {"a": {"column": "shell_3", "unit": "eV"}},
                    }
                }
            },
            "datasets.tables: results/tables/ holds something else, take another name",
        ),
        ({"variants": {"encoder": {}}}, "variants.encoder: this name stands for the encoder of"),
        (
            {"infomax": {"pretrainings": {"crystals": {"split": "gap"}}}},
            "infomax.pretrainings.crystals.split: there is no 'gap'; tasks of prototypes: ewald",
        ),
        (
            {
                "infomax": {
                    "experiments": [
                        {
                            "name": "a",
                            "dataset": "prototypes",
                            "n": 50,
                            "task": "ewald_energy",
                            "pretraining": "all",
                        }
                    ]
                }
            },
            "infomax.experiments[0].pretraining: there is no 'all'; pre-trainings: crystals,",
        ),
        (
            {"infomax": {"pretrainings": {"crystals": {"pretext": {"computed": 0}}}}},
            "infomax.pretrainings.crystals.pretext.computed must be more than 0, not 0",
        ),
        (
            {
                "infomax": {
                    "pretrainings": {"crystals": {"pretext": {}}},
                    "experiments": [
                        {
                            "name": "a",
                            "dataset": "prototypes",
                            "n": 50,
                            "task": "ewald_energy",
                            "pretraining": "crystals",
                        }
                    ],
                }
            },
            "infomax.experiments[0].pretraining: crystals must not have pretext, since the figures",
        ),
        (
            {"infomax": {"loss": {"false_samples": ["permutation"]}}},
            "infomax.loss.false_samples must be given, not only permutation",
        ),
        (
            {"infomax": {"pretrainings": {"crystals": {"false_samples": []}}}},
            "infomax.pretrainings.crystals.false_samples must be given, not empty",
        ),
        (
            {"infomax": {"pretrainings": {"crystals": {"false_samples": ["polymorf"]}}}},
            "infomax.pretrainings.crystals.false_samples[0] must be one of other_crystal,",
        ),
        (
            {"infomax": {"pretrainings": {"crystals": {"dataset": "mp"}}}},
            "infomax.pretrainings.crystals.dataset: there is no 'mp'; data sets: prototypes",
        ),
        (
            {"tuning": {"ewald_energy": {"ranges": {"blocks": [0, 2]}}}},
            "tuning.ewald_energy.ranges.blocks[0] must be at least 1, not 0",
        ),
        (
            {"encoders": {"kinds": {"a": {"encoders": ["all"]}}}},
            "encoders.kinds.a.encoders: 'all' is no pre-training (crystals, only_other",
        ),
        (
            {"encoders": {"tasks": [{"dataset": "prototypes", "task": "gap"}]}},
            "encoders.tasks[0].task: there is no 'gap'; tasks of prototypes: ewald_energy,",
        ),
        (
            {"infomax": {"pretrainings": {"crystals": {"variant": "plus"}}}},
            "infomax.pretrainings.crystals.variant: there is no 'plus'; variants: sitenet,",
        ),
        (
            {"variants": {"more": {"pretrainings": ["all"]}}},
            "variants.more.pretrainings: there is no 'all'; pre-trainings: crystals, only_other",
        ),
        (
            {"variants": {"more": {"pretrainings": ["crystals"]}}},
            "variants.more.pretrainings: infomax.pretrainings.crystals.variant must be more",
        ),
        (
            {
                "features": {"site_geometry": True},
                "variants": {
                    "sees": {"model": {"site_geometry": True}, "pretrainings": ["crystals"]}
                },
                "infomax": {"pretrainings": {"crystals": {"variant": "sees"}}},
            },
            "variants.sees.pretrainings: model.site_geometry must be false: false",
        ),
        (
            {"encoders": {"pool": 100}},
            "encoders.label_counts: 1000 labels cannot be drawn from a pool of 100; raise enco",
        ),
        (
            {"features": {"merge_tolerance": 0.1}},
            "features.merge_tolerance must be at most 0.0001, not 0.1",
        ),
    ],
)
def test_a_mistake_is_told_with_its_option_and_what_is_allowed(overlay: dict, message: str) -> None:
    (line,) = mistakes(overlay)
    assert line.startswith(f"config.yaml: {message}")


def test_all_mistakes_are_told_at_once() -> None:
    lines = mistakes({"training": {"patience": 0, "device": 2}, "features": {"oxidation": "no"}})
    assert len(lines) == 3


def test_a_mistake_is_told_once() -> None:
    assert mistakes({"runs": [{"dataset": "prototypes"}]}) == [
        "config.yaml: runs[0].n is missing",
        "config.yaml: runs[0].tasks is missing",
    ]


REFUSED = {
    "training": set(),
    "infomax.supervised": set(),
    "infomax.training": {
        "label_scaling",
        "train_size",
        "auxiliary",
        "computed_targets",
        "refit",
        "strain",
    },
    "infomax.transfer.training": {
        "train_size",
        "precision",
        "devices",
        "nodes",
        "memory_gib",
        "auxiliary",
        "computed_targets",
        "refit",
        "strain",
    },
}
"""Options of `training` that other trainings do not read."""


@pytest.mark.parametrize("section", REFUSED)
@pytest.mark.parametrize("option", sorted(names(TrainingSettings)))
def test_an_option_that_a_training_does_not_read_is_refused(section: str, option: str) -> None:
    overlay: dict = {option: DEFAULT["training"][option]}
    for part in reversed(section.split(".")):
        overlay = {part: overlay}
    if option in REFUSED[section]:
        (line,) = mistakes(overlay)
        assert line.startswith(f"config.yaml: {section}.{option} is unknown")
    else:
        assert checked(overlaid(DEFAULT, overlay), "config.yaml")


def test_an_encoder_keeps_its_own_defaults_beside_what_is_given() -> None:
    given = copy.deepcopy(DEFAULT)
    given["infomax"]["model"] = {"blocks": 2}
    model = checked(given, "config.yaml")["infomax"]["model"]
    assert (model["blocks"], model["heads"], model["norm"]) == (2, 1, "layer")


def test_defaults_are_filled_and_overlays_stay_as_they_are() -> None:
    short = {
        "datasets": {"a": {"source": {"kind": "table", "path": "a.csv"},
                           "tasks": {"e": {"column": "e", "unit": "eV"}}}},
        "variants": {"small": {"model": {"heads": 1}}},
        "runs": [{"dataset": "a", "n": 50, "tasks": ["e"]}],
    }  # fmt: skip
    before = copy.deepcopy(short)
    config = checked(short, "config.yaml")
    assert short == before
    assert config["model"] == DEFAULT["model"]
    own = {"sitenet": {"pretrainings": []}, "small": {"model": {"heads": 1}}}
    assert config["variants"] == own
    assert config["runs"] == [{"dataset": "a", "n": 50, "tasks": ["e"], "variant": "sitenet",
                               "seeds": [0], "figures": True}]  # fmt: skip
    assert config["datasets"]["a"]["tasks"]["e"]["output"] == "linear"
    assert config["datasets"]["a"]["source"]["cif"] == "cif"
    assert "seed" not in config["datasets"]["a"]["source"]  # another kind's option


def test_text_that_says_a_number_is_one() -> None:
    """YAML takes 1e-4 for text; `--config` makes text of everything."""
    text = {
        "training": {"learning_rate": "1e-4", "max_epochs": "7", "amsgrad": "false"},
        "model": {"cutoff": "null", "post_pool_layers": ["8", "16"]},
    }
    config = checked(overlaid(DEFAULT, text), "config.yaml")
    assert config["training"]["learning_rate"] == 1e-4
    assert config["training"]["max_epochs"] == 7
    assert config["training"]["amsgrad"] is False
    assert config["model"]["cutoff"] is None
    assert config["model"]["post_pool_layers"] == [8, 16]


def test_overlays_merge_sections_and_replace_lists() -> None:
    base = {"model": {"heads": 3, "pre_pool_layers": [94, 94]}}
    assert overlaid(base, {"model": {"pre_pool_layers": [8]}}) == {
        "model": {"heads": 3, "pre_pool_layers": [8]}
    }


@pytest.mark.parametrize(
    ("section", "group"),
    [("features", FeatureSection), ("model", ModelSettings), ("training", TrainingSettings)],
)
def test_config_yaml_shows_every_option(section: str, group: type[Options]) -> None:
    assert set(DEFAULT[section]) == names(group)


def test_config_yaml_shows_every_option_of_a_data_set() -> None:
    assert set(DEFAULT["datasets"]["prototypes"]) == names(DatasetSection)
    comments = (ROOT / "config.yaml").read_text()
    assert all(re.search(rf"\b{option}\b", comments) for option in names(SplitSettings))


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_configurations_are_valid(path: Path) -> None:
    config = DEFAULT
    if "To be laid over config/plus.yaml" in " ".join(path.read_text().replace("#", "").split()):
        config = overlaid(config, yaml.safe_load(path.with_name("plus.yaml").read_text()))
    config = checked(overlaid(config, yaml.safe_load(path.read_text())), path.name)
    assert config["runs"]


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^[\s-]*([A-Za-z0-9_.-]+)(?:\[\w+\])?==?([0-9][^\s]*)$", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("name", ["cpu", "cuda", "tune"])
def test_environments_have_the_pins_of_the_lock_files(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=]", entry)[0] for entry in project["dependencies"]} - {"snakemake"}
    locked = pins((ROOT / "requirements.lock").read_text())
    if name == "tune":
        extra = project["optional-dependencies"]["tune"]
        needed |= {re.split(r"[\[<>=]", entry)[0] for entry in extra}
        locked |= pins((ROOT / "requirements-tune.lock").read_text())
    environment = pins((ROOT / f"envs/{name}.yaml").read_text().replace("pytorch-cpu", "torch"))
    environment.pop("python")
    assert set(environment) == needed
    assert environment == {package: locked[package] for package in needed}


@pytest.mark.parametrize("name", ["docs", "slurm", "tune"])
def test_extras_are_locked_and_change_no_pin_of_the_lock_file(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {re.split(r"[\[<>=]", entry)[0] for entry in project["optional-dependencies"][name]}
    added = set(pins((ROOT / f"requirements-{name}.lock").read_text()))
    assert extra <= added
    assert not added & set(pins((ROOT / "requirements.lock").read_text()))


def test_groups_of_the_slurm_profile_are_rules_without_gpu() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    found = re.split(r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:$", rules, flags=re.MULTILINE)
    without = {name for name, rule in zip(found[1::2], found[2::2], strict=True)
               if "gpu=" not in rule}  # fmt: skip
    assert set(profile["groups"]) <= without
    assert set(profile["groups"].values()) == set(profile["group-components"])


def test_lock_file_fits_every_machine() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"\+|^nvidia|@|file:", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=]", entry)[0]).lower() for entry in wanted}
    assert names <= set(pins(text))
