"""The plan of a configuration: what its entries are made from, and how they are found by name."""

from pathlib import Path
from typing import Any

import pytest

from sitenet.options.config import overlaid
from sitenet.options.infomax import PretextSettings
from sitenet.plan.configuration import complete
from sitenet.plan.datasets import DataSet
from sitenet.plan.names import UnknownName
from sitenet.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


def planned(**overlay: Any) -> Plan:
    """The plan of the default configuration with changes."""
    return Plan(complete(overlay, ROOT, []))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned()


def test_a_variant_changes_the_base_and_nothing_else(plan: Plan) -> None:
    base = plan.run("prototypes", "100", "ewald_energy", "sitenet", "0")
    cutoff = plan.run("prototypes", 100, "ewald_energy", "cutoff5", 0)
    few = plan.run("prototypes", 100, "ewald_energy", "crystals400", 0)
    assert cutoff.model == {**base.model, "cutoff": 5.0}
    assert cutoff.training == base.training == {**plan.config["training"], "seed": 0}
    assert few.training == {**base.training, "train_size": 400}
    assert few.model == base.model
    assert base.model["output"] == "linear"
    assert base.model["site_feature_scaling"] == "standard"


def test_the_encoder_is_a_variant_of_its_own(plan: Plan) -> None:
    run = plan.run("prototypes", 50, "nearest_distance", "encoder", 0)
    infomax = plan.config["infomax"]
    scaling = {"site_feature_scaling": "dim", "output": "linear"}
    assert run.model == {**infomax["model"], **scaling}
    assert run.training == {**infomax["supervised"], "seed": 0}


def test_a_search_starts_from_its_variant() -> None:
    """The same overlay as for a run of this variant."""
    search = {"variant": "small", "max_epochs": None, "seed": 3}
    plan = planned(
        variants={"small": {"model": {"heads": 2}, "training": {"devices": 4, "eps": 1e-3}}},
        tuning={"ewald_energy": search},
    )
    run = plan.run("prototypes", 50, "ewald_energy", "small", 3)
    found = plan.search("ewald_energy")
    assert found.model == run.model
    assert found.model["heads"] == 2
    assert found.training == {**run.training, "devices": 1}
    assert found.settings["max_epochs"] == run.training["max_epochs"]
    assert not {"dataset", "n", "task", "variant"} & found.settings.keys()
    assert found.purpose["overlay"] == {
        "model": {"heads": 2},
        "training": {"devices": 4, "eps": 1e-3},
    }
    shorter = planned(tuning={"ewald_energy": {"max_epochs": 7}}).search("ewald_energy")
    assert shorter.training["max_epochs"] == shorter.settings["max_epochs"] == 7


def test_runs_and_searches_read_what_is_learned_beside() -> None:
    beside = {"auxiliary": ["ewald_energy", "shell_6"], "computed_targets": 0.5}
    plan = planned(
        variants={"more": {"training": beside}}, tuning={"ewald_energy": {"variant": "more"}}
    )
    for found in (
        plan.run("prototypes", 50, "ewald_energy", "more", 0),
        plan.search("ewald_energy"),
    ):
        assert found.auxiliary_labels == ["results/prototypes/labels/shell_6.parquet"]
        assert found.computed_targets == [
            f"results/prototypes/n50/computed_targets/part-00{part}.parquet" for part in (0, 1)
        ]
    alone = plan.run("prototypes", 50, "ewald_energy", "sitenet", 0)
    assert alone.auxiliary_labels == alone.computed_targets == []


def started(**tasks: Any) -> Plan:
    """The plan of runs that start from two pre-trainings, one after another."""
    own = {"dataset": "prototypes", "n": 50, "split": "shell_6", "variant": "more", "pretext": {}}
    more = {"model": {"blocks": 3}, "pretrainings": ["a", "b"]}
    return planned(
        variants={"more": more},
        infomax={"pretrainings": {"a": own, "b": {**own, "seed": 1}}, "experiments": []},
        runs=[run(variant="more", seeds=[0, 1, 2], **tasks)],
    )


def test_runs_start_from_the_encoders_of_their_variant_by_seed() -> None:
    plan = started()
    names = [one.pretraining for one in plan.runs]
    assert names == ["a", "b", "a"]
    folder = "results/prototypes/n50/pretraining/b"
    found = plan.run_encoder("prototypes", 50, "ewald_energy", "more", 1)
    assert found == [f"{folder}/model.safetensors", f"{folder}/model.json"]
    assert plan.run_encoder("prototypes", 50, "ewald_energy", "sitenet", 1) == []
    encoder, network = plan.pretraining("b").settings["model"], plan.runs[1].model
    assert encoder == {name: network[name] for name in encoder}
    assert encoder["blocks"] == 3
    assert encoder["site_feature_scaling"] == "standard"


def test_each_fold_of_a_cross_validation_is_left_out_of_what_its_run_starts_from() -> None:
    own = {"dataset": "prototypes", "n": 50, "variant": "more", "pretext": {}}
    plan = planned(
        datasets={"prototypes": {"split": {"folds": 3}}},
        variants={"more": {"pretrainings": ["a", "b"]}},
        infomax={"pretrainings": {"a": own, "b": own}, "experiments": []},
        runs=[run(variant="more", seeds=[0, 1, 2])],
    )
    tested = {name: plan.pretraining_tested(name).splits for name in "ab"}
    folder = "results/prototypes/splits/ewald_energy"
    assert tested == {"a": [f"{folder}.fold0.csv", f"{folder}.fold2.csv"],
                      "b": [f"{folder}.fold1.csv"]}  # fmt: skip


def test_runs_may_start_from_an_encoder_by_its_path() -> None:
    plan = planned(
        variants={"more": {"pretrainings": ["some/model.safetensors"]}},
        runs=[run(variant="more")],
    )
    found = plan.run_encoder("prototypes", 50, "ewald_energy", "more", 3)
    assert found == ["some/model.safetensors", "some/model.json"]
    assert plan.rejections


def test_what_a_run_starts_from_does_not_see_its_test_crystals() -> None:
    plan = started(tasks=["ewald_energy", "nearest_distance"])
    found = plan.pretraining_tested("a")
    assert found.splits == [
        plan.dataset("prototypes").split(task) for task in ("ewald_energy", "nearest_distance")
    ]
    read = [path for path in plan.rejections if "labels" in path]
    assert "results/prototypes/labels/shell_6.rejected.csv" in read


def test_a_pretraining_may_take_all_crystals_of_a_data_set_without_labels() -> None:
    folder = {"kind": "cif_folder", "path": "cifs", "labelled": False}
    own = {"dataset": "mine", "n": 50, "hold_out": ["prototypes"], "variant": "more", "pretext": {}}
    plan = planned(
        datasets={"mine": {"source": folder, "split": {"validation": 0.1, "seed": 4}}},
        variants={"more": {"pretrainings": ["a"]}},
        infomax={"pretrainings": {"a": own}},
        runs=[run(variant="more")],
    )
    found = plan.pretraining("a")
    assert found.split == found.labels == []
    drawn = found.settings["drawn"]
    assert (drawn["validation"], drawn["seed"]) == (0.1, 4)
    assert "drawn" not in plan.pretraining("crystals").settings
    assert not [path for path in plan.rejections if path.startswith("results/mine/labels")]


def test_gpus_are_those_of_all_machines() -> None:
    plan = planned(training={"devices": 4, "nodes": 2})
    assert plan.run("prototypes", 50, "ewald_energy", "sitenet", 0).gpus == 8
    assert plan.run("prototypes", 50, "ewald_energy", "encoder", 0).gpus == 1
    assert planned(infomax={"training": {"devices": 3}}).pretraining("crystals").gpus == 3


def run(**changes: Any) -> dict[str, Any]:
    one = {"dataset": "prototypes", "n": 50, "tasks": ["ewald_energy"], "seeds": [0]}
    return {**one, **changes}


def test_each_setting_is_trained_once_with_all_its_seeds() -> None:
    plan = planned(runs=[run(seeds=[3, 1]), run(seeds=[1, 2], figures=False), run(n=100)])
    seeds = {one.setting.crystals.n: one.seeds for one in plan.trained}
    assert seeds == {50: (3, 1, 2), 100: (0,)}
    runs = [(one.setting.crystals.n, one.seed) for one in plan.runs]
    assert runs == [(50, 3), (50, 1), (50, 2), (100, 0)]
    assert [one.setting.crystals.n for one in plan.ensembles] == [50]
    assert [(one.setting.crystals.n, one.seed) for one in plan.shown] == [(50, 3), (100, 0)]
    repeated = [(one.setting.crystals.n, one.seed) for one in plan.repeated]
    assert repeated == [(50, 3), (50, 1), (100, 0)]
    ensemble = plan.ensemble("prototypes", "50", "ewald_energy", "sitenet")
    assert ensemble.predictions == [
        f"results/prototypes/n50/ewald_energy/sitenet/seed{seed}/predictions.parquet"
        for seed in (3, 1, 2)
    ]


@pytest.mark.parametrize(
    ("runs", "titles"),
    [
        ([run()], ["ewald energy, N = 50"]),
        ([run(), run(variant="cutoff5")],
         ["ewald energy, N = 50, sitenet", "ewald energy, N = 50, cutoff5"]),
        ([run(), run(variant="cutoff5", figures=False)], ["ewald energy, N = 50"]),
        ([run(), run(dataset="other")],
         ["prototypes, ewald energy, N = 50", "other, ewald energy, N = 50"]),
    ],
)  # fmt: skip
def test_titles_are_as_short_as_they_stay_different(runs: list, titles: list[str]) -> None:
    label = {"column": "ewald_energy", "unit": "eV"}
    other = {"source": {"kind": "prototypes"}, "tasks": {"ewald_energy": label}}
    assert planned(runs=runs, datasets={"other": other}).shown.titles == titles


def test_what_decides_the_shards_is_what_featurising_reads(plan: Plan) -> None:
    crystals = plan.featurised("prototypes", "50")
    assert crystals.features.pop("n_atoms") == 50
    assert "site_feature_scaling" not in crystals.features
    assert crystals.shards == [f"results/prototypes/n50/shards/part-00{part}.parquet"
                               for part in range(2)]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ({"kind": "prototypes"}, []),
        ({"kind": "table", "path": "a.csv"}, ["a.csv"]),
        ({"kind": "table", "path": "a.csv", "ids": {"path": "ids.csv", "id": "id"}},
         ["a.csv", "ids.csv"]),
        ({"kind": "cif_folder", "path": "cifs"}, ["cifs", "cifs/id_prop.csv"]),
        ({"kind": "cif_folder", "path": "cifs", "labels": "b.csv"}, ["cifs", "b.csv"]),
    ],
)  # fmt: skip
def test_a_data_set_is_made_from_the_files_of_its_source(
    source: dict, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cifs").mkdir()
    for name in ("a.csv", "ids.csv", "b.csv", "cifs/id_prop.csv", "cifs/a.cif"):
        (tmp_path / name).write_text("id,cif,shell_3\na,b,1\n")
    monkeypatch.chdir(tmp_path)
    dataset = of_source(source)
    assert dataset.source_files == files
    assert dataset.module == f"sitenet.sources.{source['kind']}"


def test_a_split_holds_out_what_other_data_sets_have() -> None:
    other = {"source": {"kind": "prototypes"}, "split": {"hold_out": ["prototypes"]},
             "tasks": {"e": {"column": "shell_3", "unit": "eV"}}}  # fmt: skip
    plan = planned(datasets={"other": other})
    assert plan.dataset("other").held_out_structures == ["results/prototypes/structures.parquet"]
    assert plan.dataset("prototypes").held_out_structures == []


def of_source(source: dict) -> DataSet:
    tasks = {"e": {"column": "shell_3", "unit": "eV"}}
    return planned(datasets={"mine": {"source": source, "tasks": tasks}}).dataset("mine")


def test_a_pretraining_may_have_false_samples_of_its_own(plan: Plan) -> None:
    common, own = plan.pretraining("crystals"), plan.pretraining("only_other_crystals")
    assert common.settings["loss"]["false_samples"] == plan.config["infomax"]["loss"][
        "false_samples"
    ]  # fmt: skip
    assert own.computed_targets == []
    assert own.settings["loss"] == {**common.settings["loss"], "false_samples": ["other_crystal"]}
    assert own.settings["training"] == {**plan.config["infomax"]["training"], "seed": 0}
    held_out = {"pretrainings": {"crystals": {"hold_out": ["prototypes"]}}}
    assert planned(infomax=held_out).pretraining("crystals").held_out_structures == [
        "results/prototypes/structures.parquet"
    ]


def test_a_pretraining_may_have_pretext_tasks_in_place_of_deep_infomax() -> None:
    own = {"dataset": "prototypes", "n": 50, "split": "ewald_energy", "pretext": {"hidden": 0}}
    pretraining = planned(infomax={"pretrainings": {"computed": own}}).pretraining("computed")
    assert pretraining.computed_targets == [
        f"results/prototypes/n50/computed_targets/part-00{part}.parquet" for part in (0, 1)
    ]
    found = pretraining.settings
    assert "loss" not in found
    assert PretextSettings.from_dict(found["pretext"]) == PretextSettings(hidden=0)
    assert found["model"]["site_feature_scaling"] == "dim"


def test_the_arms_of_a_transfer_differ_in_their_encoder(plan: Plan) -> None:
    encoders = {arm: plan.transfer("ewald_energy", arm, "50").encoder
                for arm in ("random", "infomax", "supervised")}  # fmt: skip
    assert encoders == {
        "random": [],
        "infomax": [f"results/prototypes/n50/pretraining/crystals/model.{kind}"
                    for kind in ("safetensors", "json")],
        "supervised": [f"results/prototypes/n50/nearest_distance/encoder/seed0/model.{kind}"
                       for kind in ("safetensors", "json")],
    }  # fmt: skip
    settings = plan.transfer("ewald_energy", "random", "50").settings
    assert settings["labels"] == 50
    assert settings["model"]["output"] == "linear"
    tables = plan.experiment("ewald_energy").transfers
    assert len(tables) == 3 * 2
    assert tables[0] == "results/transfer/ewald_energy/random/labels50.parquet"


EXPERIMENT = {"name": "alone", "dataset": "prototypes", "n": 50, "task": "ewald_energy",
              "pretraining": "crystals", "figure": "phonons"}  # fmt: skip


def test_an_experiment_without_another_task_has_two_arms() -> None:
    plan = planned(infomax={"experiments": [EXPERIMENT]})
    assert len(plan.experiment("alone").transfers) == 2 * 2
    with pytest.raises(UnknownName, match="alone has no other task to train an encoder on"):
        _ = plan.transfer("alone", "supervised", 50).encoder
    with pytest.raises(UnknownName, match="alone has no ablation"):
        _ = plan.representation("alone", "without_synthetic").vectors
    assert not plan.main
    assert not plan.ablated
    assert [one.name for one in plan.phonons] == ["alone"]
    assert [one.name for one in plan.pretrainings] == ["crystals"]


def test_vectors_are_of_the_crystals_of_the_experiment(plan: Plan) -> None:
    folder = "results/prototypes/n50/embeddings"
    expected = {
        "infomax": [f"{folder}/crystals.parquet"],
        "untrained": [f"{folder}/crystals.untrained.parquet"],
        "without_synthetic": [f"{folder}/only_other_crystals.parquet"],
        "xrd": [f"results/prototypes/descriptors/xrd/part-00{part}.parquet" for part in range(2)],
    }
    found = {name: plan.representation("ewald_energy", name).vectors for name in expected}
    assert found == expected


def test_rejections_are_those_of_everything_that_is_used_each_once(plan: Plan) -> None:
    lists = plan.rejections
    assert len(lists) == len(set(lists)) == 1 + 3 + 2 * 2 + 1 + 2 * 2
    assert {"results/prototypes/rejected.csv", "results/prototypes/complexity.rejected.csv",
            "results/prototypes/n100/shards/part-001.rejected.csv",
            "results/prototypes/descriptors/ofm/part-000.rejected.csv"} <= set(lists)  # fmt: skip
    without = planned(infomax={"experiments": []}, runs=[run()]).rejections
    assert not any("descriptors" in path or "n100" in path for path in without)


@pytest.mark.parametrize(
    ("find", "names", "message"),
    [
        ("dataset", ["foo"], "foo is not in the configuration; it has prototypes"),
        ("run", ["prototypes", "50", "gap", "sitenet", "0"],
         "gap is not in the configuration; it has ewald_energy, nearest_distance"),
        ("run", ["prototypes", "50", "ewald_energy", "big", "0"],
         "big is not in the configuration; it has sitenet, cutoff5, crystals400"),
        ("ensemble", ["prototypes", "70", "ewald_energy", "sitenet"],
         r"\('prototypes', 70, 'ewald_energy', 'sitenet'\) is not in the configuration; it has "),
        ("pretraining", ["all"], "all is not in the configuration; it has crystals, only_other"),
        ("transfer", ["gap", "random", "50"], "gap is not in the configuration; it has ewald"),
        ("search", ["gap"], "gap is not in the configuration; it has ewald_energy"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_configured_is_told(
    plan: Plan, find: str, names: list[str], message: str
) -> None:
    with pytest.raises(UnknownName, match=f"^{message}"):
        getattr(plan, find)(*names)


def test_entries_are_equal_if_their_names_are(plan: Plan) -> None:
    other = Plan(overlaid(plan.config, {"training": {"eps": 1.0}}))
    names = ("prototypes", 50, "ewald_energy", "sitenet", 0)
    assert plan.run(*names) == other.run(*names)
    assert len({plan.run(*names), other.run(*names)}) == 1
    assert plan.run(*names) != plan.run("prototypes", 100, *names[2:])


def test_runs_of_a_cross_validation_have_splits_of_their_own() -> None:
    """By seed; everything else takes the first fold."""
    plan = planned(datasets={"prototypes": {"split": {"folds": 3}}}, runs=[run(seeds=[0, 1, 4])])
    assert [one.split for one in plan.runs] == [
        f"results/prototypes/splits/ewald_energy.fold{fold}.csv" for fold in (0, 1, 1)
    ]
    assert plan.runs.split_reports == [
        f"results/prototypes/splits/ewald_energy.fold{fold}.json" for fold in (0, 1)
    ]
    first = "results/prototypes/splits/ewald_energy.fold0.csv"
    assert plan.pretraining("crystals").split == [first]
    assert plan.experiment("ewald_energy").split == first
    whole = planned(runs=[run(seeds=[0, 4])])
    assert {one.split for one in whole.runs} == {"results/prototypes/splits/ewald_energy.csv"}


def test_an_encoder_knows_the_tests_that_it_is_used_for() -> None:
    """Also those of another data set, and those of an ablation."""
    label = {"column": "ewald_energy", "unit": "eV"}
    other = {"source": {"kind": "prototypes", "seed": 1}, "tasks": {"energy": label}}
    elsewhere = {**EXPERIMENT, "name": "there", "dataset": "other", "task": "energy",
                 "ablation": "only_other_crystals",
                 "supervised": {"dataset": "prototypes", "task": "ewald_energy"}}  # fmt: skip
    plan = planned(datasets={"other": other}, infomax={"experiments": [EXPERIMENT, elsewhere]})
    tables = [f"results/{name}/structures.parquet" for name in ("prototypes", "other")]
    splits = ["results/prototypes/splits/ewald_energy.csv", "results/other/splits/energy.csv"]
    both = plan.pretraining_tested("crystals")
    assert (both.structures, both.splits) == (tables, splits)
    assert plan.pretraining_tested("only_other_crystals").splits == splits[1:]
    encoder = plan.run_tested("prototypes", "50", "ewald_energy", "encoder")
    assert (encoder.structures, encoder.splits) == (tables[1:], splits[1:])
    assert not plan.run_tested("prototypes", "50", "ewald_energy", "sitenet").tests
    assert not plan.run_tested("prototypes", "100", "ewald_energy", "encoder").tests


RUN = "results/prototypes/n50/ewald_energy/sitenet/seed0/model.safetensors"


def test_compared_encoders_are_pre_trainings_and_paths_and_know_their_tests() -> None:
    kinds = {"dim": {"encoders": ["crystals", "only_other_crystals"]},
             "labels": {"encoders": [RUN, "elsewhere/model.safetensors"]}}  # fmt: skip
    tasks = [{"dataset": "prototypes", "task": task} for task in ("shell_6", "nearest_distance")]
    plan = planned(encoders={"kinds": kinds, "tasks": tasks}, infomax={"experiments": []})
    first, run = plan.encoder("dim", "0"), plan.encoder("labels", "0")
    assert first.weights == "results/prototypes/n50/pretraining/crystals/model.safetensors"
    assert (run.weights, run.description) == (RUN, RUN.replace(".safetensors", ".json"))
    task = plan.compared_task("prototypes", "shell_6")
    folder = "results/encoders/prototypes"
    assert first.vectors(task.dataset) == f"{folder}/vectors/dim/0.parquet"
    assert task.errors == [
        f"{folder}/errors/shell_6/{name}.parquet"
        for name in ("descriptors", "dim/0", "dim/1", "labels/0", "labels/1")
    ]
    assert len(task.names) == len(task.errors)
    assert not {"kinds", "tasks"} & task.settings.keys()
    splits = [f"results/prototypes/splits/{task['task']}.csv" for task in tasks]
    assert plan.compared_splits("prototypes") == splits
    assert plan.pretraining_tested("crystals").splits == splits
    assert plan.run_tested("prototypes", 50, "ewald_energy", "sitenet").splits == splits
    assert not plan.run_tested("prototypes", 100, "ewald_energy", "sitenet").tests
    with pytest.raises(UnknownName):
        plan.encoder("dim", 2)


def test_baselines_are_those_of_the_runs_of_a_task(plan: Plan) -> None:
    assert plan.runs.baselines == [
        "results/prototypes/baselines/ewald_energy.csv",
        "results/prototypes/baselines/nearest_distance.csv",
        "results/prototypes/baselines/shell_6.csv",
    ]
    found = plan.runs_of("prototypes", "nearest_distance").predictions
    assert found == [f"results/prototypes/n50/nearest_distance/sitenet/seed{k}/predictions.parquet"
                     for k in (0, 1, 2)]  # fmt: skip


def test_runs_that_differ_in_a_cutoff_alone_belong_to_those_of_the_figures() -> None:
    variants = {
        "near": {"model": {"cutoff": 4.0}},
        "nearer": {"model": {"cutoff": 3.0}},
        "near_small": {"model": {"cutoff": 4.0, "heads": 1}},
        "near_short": {"model": {"cutoff": 4.0}, "training": {"max_epochs": 2}},
    }
    hidden = [run(variant=name, seeds=[1, 2], figures=False) for name in variants]
    elsewhere = run(variant="near", n=100, seeds=[0, 1], figures=False)
    found = planned(variants=variants, runs=[run(seeds=[0, 1]), *hidden, elsewhere]).restricted
    assert [(one.cutoff, one.unrestricted, one.run.seed) for one in found] == [
        (4.0, 1, 1),
        (3.0, 1, 1),
    ]


def test_a_known_range_is_for_the_figure_and_not_for_the_training() -> None:
    label = {"column": "shell_6", "unit": "σ", "known_range": 6.0}
    plan = planned(datasets={"prototypes": {"tasks": {"far": label}}}, runs=[run(tasks=["far"])])
    (far,) = plan.runs
    assert plan.repeated.known_ranges == [6.0]
    assert far.label == {"column": "shell_6", "unit": "σ", "output": "linear"}


FEW = {"name": "few", "dataset": "prototypes", "task": "ewald_energy"}


def test_encoders_of_few_labels_are_trained_without_what_they_are_tested_on() -> None:
    """A run, a pre-training and a path; the first two leave the experiment's test formulas out."""
    encoders = ["other/n50/e/sitenet/seed2", "crystals", "elsewhere/model.safetensors"]
    other = {"source": {"kind": "prototypes"}, "tasks": {"e": {"column": "shell_3", "unit": "eV"}}}
    plan = planned(
        datasets={"other": other}, few_labels={"experiments": [FEW | {"encoders": encoders}]}
    )
    assert plan.learning("few").encoders == [
        "results/other/n50/e/sitenet/seed2/model.safetensors",
        "results/other/n50/e/sitenet/seed2/model.json",
        "results/prototypes/n50/pretraining/crystals/model.safetensors",
        "results/prototypes/n50/pretraining/crystals/model.json",
        "elsewhere/model.safetensors",
        "elsewhere/model.json",
    ]
    split = "results/prototypes/splits/ewald_energy.csv"
    tested = plan.run_tested("other", 50, "e", "sitenet")
    assert (tested.structures, tested.splits) == (
        ["results/prototypes/structures.parquet"],
        [split],
    )
    assert split in plan.pretraining_tested("crystals").splits
    assert not plan.run_tested("other", 100, "e", "sitenet").splits


def test_draws_of_labels_take_trainings_of_the_encoders_in_turn() -> None:
    encoders = ["prototypes/n50/ewald_energy/sitenet/seed*", "elsewhere/model.safetensors"]
    few = {"experiments": [FEW | {"encoders": encoders}], "encoder_seeds": [4, 2]}
    learned = planned(few_labels=few).learning("few")
    runs = [
        f"results/prototypes/n50/ewald_energy/sitenet/seed{k}/model.safetensors" for k in (4, 2)
    ]
    assert learned.encoder_sets == [[one, encoders[1]] for one in runs]
    assert learned.encoders[::2] == [runs[0], encoders[1], runs[1]]
    assert learned.first_encoders[::2] == [runs[0], encoders[1]]
    assert planned(few_labels={"experiments": [FEW]}).learning("few").encoder_sets == [[]]


def test_draws_of_labels_may_be_fewer_where_labels_are_many() -> None:
    few = {"label_counts": [50, 1000], "experiments": [FEW]}
    plan = planned(few_labels=few | {"masks": [2, 1]})
    assert plan.learning("few").draws == [[50, 0], [50, 1], [1000, 0]]
    plan = planned(few_labels=few | {"masks": [1]})
    assert plan.learning("few").draws == [[50, 0], [1000, 0]]
