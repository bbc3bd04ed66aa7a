"""The whole pipeline, as a user starts it, on the crystals of tiny_pipeline.

The tests share one finished run and ask Snakemake what it would do after a change.
"""

import base64
import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from results_readme import undescribed
from tiny_pipeline import BAD_CIFS, CONFIG, CRYSTALS, ROOT, prepare, snakemake

RUN = "results/mine/n16/volume/small"


def planned(folder: Path, *arguments: str) -> set[str]:
    """Rules that Snakemake would run."""
    process = snakemake(folder, "--configfile", "own.yaml", *arguments, "--dry-run")
    assert process.returncode == 0, process.stdout + process.stderr
    table = process.stdout.rpartition("Job stats:")[2].partition("total")[0]
    return set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE)) - {"all"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pipeline ran once."""
    folder = tmp_path_factory.mktemp("pipeline")
    prepare(folder)
    process = snakemake(folder, "--configfile", "own.yaml", "--cores", "2", "--resources", "gpu=1")
    (folder / "terminal.txt").write_text(process.stdout + process.stderr)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


def test_every_promised_file_is_there(finished: Path) -> None:
    promised = [
        *(f"results/figures/{name}.{kind}"
          for name in ("fig5", "fig6", "fig7", "range", "invariance", "supercells", "dim_fig6",
                       "dim_fig7", "dim_fig8", "dim_fig9", "dim_fig10", "dim_fig11", "dim_figS1")
          for kind in ("pdf", "png", "parquet")),
        *(f"results/tables/{name}" for name in ("metrics.csv", "metrics.md", "table1.csv",
                                                "table1.md", "table2.csv", "table2.md",
                                                "table3.csv", "table3.md", "fig6.csv", "fig7.csv",
                                                "fig7_tasks.csv", "range.csv",
                                                "range_measures.csv", "range_tasks.csv",
                                                "invariance.csv", "supercells.csv",
                                                "jobs.csv", "steps.csv", "versions.csv",
                                                "rejections.csv",
                                                "dim_fig7.csv", "dim_fig8.csv", "dim_fig9.csv",
                                                "dim_fig11.csv", "dim_figS1.csv")),
        *(f"{RUN}/seed1/{name}" for name in ("model.safetensors", "model.json", "history.csv")),
    ]  # fmt: skip
    missing = [name for name in promised if not (finished / name).stat().st_size]
    assert not missing
    assert undescribed(finished / "results") == []  # results/README.md tells of every file
    assert (finished / "results/figures/fig7.pdf").read_bytes().startswith(b"%PDF")
    assert not (finished / RUN / "seed1" / ".checkpoints").exists()


def test_bad_crystals_are_listed_with_reasons_and_the_rest_is_used(finished: Path) -> None:
    with open(finished / "results/mine/rejected.csv") as file:
        reasons = {row["id"]: row["reason"] for row in csv.DictReader(file)}
    assert set(reasons) == {*BAD_CIFS, "not-there", "unlabelled"}
    assert "empty" in reasons["empty"]
    assert reasons["latin1"] == "the CIF lists no atom sites"
    predictions = pd.read_parquet(finished / RUN / "seed1/predictions.parquet")
    good = {path.stem for path in CRYSTALS.glob("*.cif")}
    assert set(predictions.id) == good
    assert set(predictions.split) == {"train", "val", "test"}


def test_what_is_trained_is_what_is_configured(finished: Path) -> None:
    about = json.loads((finished / RUN / "seed1/model.json").read_text())
    assert about["model"]["heads"] == 2  # the variant's
    assert about["model"]["embedding_size"] == 4
    assert about["training"]["seed"] == 1
    assert about["features"]["n_atoms"] == 16
    assert about["label"]["unit"] == "A^3/atom"
    assert len(pd.read_csv(finished / RUN / "seed1/history.csv")) == 2


def test_the_terminal_tells_each_stage_and_little_else(finished: Path) -> None:
    terminal = (finished / "terminal.txt").read_text()
    for stage in ("mine: 18 crystals usable, 4 rejected", "split of volume (grouped):",
                  "featurising mine N=16 part 2/2:", "test MAE", "long-range coefficients:",
                  "complexity:", "results/figures/fig5.pdf", "pre-training all:",
                  "xrd part 2/2:", "volume infomax, mlp: median test MAE", "t-SNE of 5 crystals",
                  "volume infomax, 8 labels: 6 for training, 2 for validation",
                  "51 of 51 steps"):  # fmt: skip
        assert stage in terminal
    assert "Traceback" not in terminal
    assert "Finished jobid" not in terminal
    assert len(terminal.splitlines()) < 5 * 50


def test_every_step_has_a_log_and_a_record(finished: Path) -> None:
    logs, records = (
        {path.with_suffix("") for path in (finished / "logs").rglob(f"*.{kind}")}
        for kind in ("log", "json")
    )
    assert len(logs) == 50
    assert logs == records


def test_every_result_is_traced_to_its_jobs(finished: Path) -> None:
    """All jobs but the last two, the table and its pages, with what they were and took."""
    jobs = pd.read_csv(finished / "results/tables/jobs.csv", keep_default_na=False)
    assert len(jobs) == 48
    made = {path for outputs in jobs.outputs for path in outputs.split()}
    files = {str(path.relative_to(finished)) for path in (finished / "results").rglob("*.*")}
    own = {f"results/tables/{name}.csv" for name in ("jobs", "steps", "versions")}
    pages = {path for path in files if path.endswith(".html")}
    assert made == files - own - pages
    train = jobs[(jobs.rule == "train") & jobs.wildcards.str.contains("variant=small")]
    assert train.seeds.tolist() == ["training.seed=1"]
    assert (jobs.wall_seconds > 0).all()
    assert (jobs.attempts == 1).all()
    assert ((jobs.gpus > 0) == (jobs.gpu_hours > 0)).all()
    needed = {int(number) for number in train.needs.iloc[0].split()}
    before = {"collect", "labels", "featurise", "computed_targets", "split"}
    assert set(jobs.rule[jobs.job.isin(needed)]) == before
    records = (json.loads(path.read_text()) for path in (finished / "logs").rglob("train.json"))
    trained = next(r for r in records if r["wildcards"]["variant"] == "small")
    assert trained["versions"]["torch"]
    assert trained["params"]["model"]["heads"] == 2


def test_the_kept_configuration_is_that_of_the_run(finished: Path) -> None:
    """With it there is nothing to be done."""
    (kept,) = (finished / "logs/configurations").glob("*.yaml")
    assert set(pd.read_csv(finished / "results/tables/jobs.csv").config) == {kept.stem}
    process = snakemake(finished, "--configfile", str(kept), "--dry-run")
    assert "Nothing to be done" in process.stdout + process.stderr


def test_the_report_has_every_figure_table_and_their_data(finished: Path, tmp_path: Path) -> None:
    """Also captions, seeds and refused crystals, and nothing from the network."""
    out = tmp_path / "report.html"
    process = snakemake(finished, "--configfile", "own.yaml", "--report", str(out))
    assert process.returncode == 0, process.stdout + process.stderr
    html = out.read_text()
    assert not re.search(r'(src|href)="https?://', html)
    assert "system-message" not in html  # what docutils writes for mistakes in captions
    results = json.loads(re.search(r"var results = (\{.*\});?$", html, re.MULTILINE)[1])
    files = (finished / "results").glob("[ft]*/*.*")  # figures and tables
    kinds = (".png", ".parquet", ".csv", ".html")
    shown = {str(path.relative_to(finished)) for path in files if path.suffix in kinds}
    assert set(results) == shown
    assert all(len(result["caption"]) > 100 for result in results.values())
    for names in ({"picture", "table in Parquet"}, {"page", "table in CSV"}):
        of_kind = [r["labels"]["as"] for r in results.values() if r["labels"]["as"] in names]
        assert {name: of_kind.count(name) for name in names} == dict.fromkeys(
            names, len(of_kind) // 2
        )  # else there is no switch between them
    page = results["results/tables/rejections.html"]["data_uri"].partition("base64,")[2]
    assert "partial occupancy" in base64.b64decode(page).decode()


def test_refused_crystals_of_all_data_sets_are_in_one_table(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tables/rejections.csv")
    assert set(table.id) == {*BAD_CIFS, "not-there", "unlabelled"}
    assert set(table.dataset) == {"mine"}
    assert set(table.step) == {"reading"}
    assert table.reason.str.len().min() > 10


def test_what_representations_are_compared_on(finished: Path) -> None:
    """All representations have an error of every mask; the descriptors cover all that is drawn."""
    results = finished / "results"
    paths = (results / "representation/volume").glob("*.parquet")
    errors = {path.stem: pd.read_parquet(path) for path in paths}
    assert set(errors) == {"infomax", "untrained", "without_synthetic", "xrd"}
    cases = {tuple(t[["model", "labels", "mask"]].itertuples(index=False)) for t in errors.values()}
    assert len(cases) == 1
    assert len(cases.pop()) == 3 * 2 * 6
    split = pd.read_csv(results / "mine/splits/volume.csv")
    described = pd.concat(
        map(pd.read_parquet, (results / "mine/descriptors/xrd").glob("*.parquet"))
    )
    assert set(described.id) == set(split.id[split.split != "val"])
    maps = [pd.read_parquet(results / f"maps/volume/{name}.parquet")
            for name in ("infomax", "untrained")]  # fmt: skip
    assert set(maps[0].id) == set(split.id[split.split == "test"])
    assert not maps[0][["x", "y"]].equals(maps[1][["x", "y"]])


def test_arms_of_the_transfer_differ_in_their_start_only(finished: Path) -> None:
    results = finished / "results"
    arms = {path.parent.name: pd.read_parquet(path)
            for path in (results / "transfer/volume").glob("*/labels8.parquet")}  # fmt: skip
    assert set(arms) == {"random", "infomax", "supervised"}
    for name, table in arms.items():
        assert set(table.arm) == {name}
        assert table.seed.tolist() == [0, 1]
        assert table.train.tolist() == [6, 6]
        assert np.isfinite(table.test_mae).all()
    assert len({tuple(table.test_mae) for table in arms.values()}) == 3
    about = json.loads((results / "mine/n16/volume/encoder/seed0/model.json").read_text())
    assert about["model"]["head_layers"] == [64]
    assert not list((results / "transfer").rglob(".labels*"))


def test_a_second_run_does_nothing(finished: Path) -> None:
    process = snakemake(finished, "--configfile", "own.yaml", "--cores", "2")
    assert process.returncode == 0
    assert "Nothing to be done" in process.stdout + process.stderr


LAST = {"jobs", "pages"}
AFTER_TRAINING = {"train", "attention", "invariance", "metrics", "baselines",
                  "table1", "fig5",
                  "fig6", "fig7", "range", "invariance_figure", "table2",
                  "table3", *LAST}  # fmt: skip


AFTER_TRANSFER = {"transfer", "dim_fig7", "dim_figS1", *LAST}
AFTER_REPRESENTATION = {"representation", "dim_fig8", "dim_fig11", "dim_figS1", *LAST}
AFTER_MAP = {"map", "dim_fig9", "dim_fig10", *LAST}
AFTER_PRETRAINING = {"pretrain", "embed", "dim_fig6", *AFTER_TRANSFER, *AFTER_REPRESENTATION,
                     *AFTER_MAP}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("training={learning_rate: 0.001}", AFTER_TRAINING),
        ("features={site_feature_scaling: raw}", AFTER_TRAINING),
        (
            "features={merge_tolerance: 0.0001}",
            AFTER_TRAINING | AFTER_PRETRAINING | {"featurise", "computed_targets", "rejections"},
        ),
        (
            "datasets={mine: {split: {seed: 5}}}",
            AFTER_TRAINING | AFTER_PRETRAINING | {"split", "descriptors", "rejections"},
        ),
        ("infomax={loss: {beta: 0.5}}", AFTER_PRETRAINING),
        ("infomax={supervised: {max_epochs: 3}}", AFTER_TRANSFER | {"train"}),
        ("infomax={transfer: {validation: 0.4}}", AFTER_TRANSFER),
        ("infomax={representation: {masks: 4}}", AFTER_REPRESENTATION),
        (
            "infomax={representation: {pool: 9}}",
            AFTER_REPRESENTATION | {"descriptors", "rejections"},
        ),
        ("infomax={representation: {map_points: 10}}", AFTER_MAP),
        ("variants={other: {model: {heads: 9}}}", set()),
        ("datasets={mine: {max_rejected_fraction: 0.9}}", set()),
        ("datasets={mine: {tasks: {other: {column: value, unit: eV}}}}", set()),
        ("training={memory_gib: 3}", AFTER_TRAINING),
        (
            "datasets={mine: {tasks: {volume: {unit: nm^3}}}}",
            AFTER_TRAINING | AFTER_TRANSFER | {"dim_fig8", "dim_fig10", "dim_fig11"},
        ),
    ],
)
def test_a_change_re_runs_what_depends_on_it(
    finished: Path, change: str, expected: set[str]
) -> None:
    assert planned(finished, "--config", change) == expected


@pytest.fixture
def own_files(finished: Path, tmp_path: Path) -> Path:
    """The finished run in another folder, where files may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "own"))


def overwrite(path: Path, old: str, new: str) -> None:
    """Change a file in place; its time and that of its folder stay as they were."""
    times = [(place, place.stat().st_mtime_ns) for place in (path, path.parent)]
    edit(path, old, new)
    for place, time in times:
        os.utime(place, ns=(time, time))


def test_files_of_the_user_are_noticed_by_their_content(own_files: Path) -> None:
    """A crystal that was overwritten, a label, a task that others are added to."""
    cifs = own_files / "cifs"
    for path in (*cifs.iterdir(), cifs):
        path.touch()
    assert planned(own_files) == set()
    overwrite(cifs / "id_prop.csv", "BaAl4,", "BaAl4,9")
    relabelled = planned(own_files)
    assert {"labels", "split", "train", "transfer", "representation", "metrics"} <= relabelled
    assert not relabelled & {"collect", "featurise", "complexity", "supercells"}
    overwrite(cifs / "id_prop.csv", "BaAl4,9", "BaAl4,")
    overwrite(cifs / "NaCl.cif", "data_", "data_Na")
    assert {"collect", "labels", "featurise", "complexity", "train"} <= planned(own_files)


def test_another_configuration_in_the_folder_is_told(finished: Path) -> None:
    """What it replaces, and what it leaves; not if it only adds to it."""
    told = snakemake(finished, "--configfile", "own.yaml", "--dry-run", "--config",
                     "runs=[{dataset: mine, n: 12, tasks: [volume], variant: small}]",
                     "infomax={experiments: []}")  # fmt: skip
    warning = next(line for line in told.stdout.splitlines() if "another configuration" in line)
    assert "show another configuration: experiment volume, mine N=16 volume small seed 1" in warning
    assert "dim_fig10" in warning
    assert "--directory" in warning
    more = {"dataset": "mine", "n": 12, "tasks": ["volume"], "variant": "small"}
    told = snakemake(finished, "--configfile", "own.yaml", "--dry-run", "--config",
                     f"runs={json.dumps([*CONFIG['runs'], more])}")  # fmt: skip
    assert told.returncode == 0
    assert "another configuration" not in told.stdout + told.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code, to be edited."""
    for name in ("sitenet", "workflow", "rules", "profiles", "envs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_make_nothing_stale(finished: Path, checkout: Path) -> None:
    """Nor docstrings and layout, of scripts, modules and kernels; nor what changes no result."""
    snakefile = ("--snakefile", str(checkout / "Snakefile"))
    for name in ("workflow/scripts/train.py", "workflow/scripts/collect.py", "sitenet/tables.py",
                 "sitenet/crystal/featurise.py", "sitenet/model/sitenet.py"):  # fmt: skip
        edit(checkout / name, '"""', '"""Now with more words. ')
        edit(checkout / name, "\nfrom", "\n\n# A comment.\nfrom")
    edit(checkout / "sitenet/model/kernels/tiles.h", "#include", "// A comment.\n\n#include")
    for name in ("workflow/scripts/job.py", "sitenet/progress.py", "sitenet/sources/matbench.py"):
        with open(checkout / name, "a") as file:
            file.write("\nEDITED = 1\n")
    assert planned(finished, *snakefile) == set()
    # Snakemake's own trigger, which the profile leaves out, goes by the time of the last change.
    triggered = planned(finished, *snakefile, "--rerun-triggers", "code")
    assert {"collect", "train"} <= triggered


DATA = {"collect", "split", "featurise", "descriptors", "complexity", "supercells"}
MODELS = {"train", "pretrain", "embed", "transfer", "attention", "invariance"}
EDITED = "\nEDITED = 1\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "stale", "fresh"),
    [
        ("sitenet/sources/cif_folder.py", "", EDITED, DATA | MODELS, set()),
        ("sitenet/structure/oxidation.py", "", EDITED, {"featurise", *MODELS},
         {"collect", "split", "descriptors", "complexity"}),
        ("sitenet/crystal/elemental_properties.csv", "1", "2", {"featurise", *MODELS},
         {"collect", "split", "descriptors", "complexity"}),
        ("sitenet/splits/split.py", "", EDITED, {"split", "descriptors", *MODELS},
         {"collect", "featurise", "complexity", "supercells"}),
        ("sitenet/model/sitenet.py", "", EDITED, MODELS, DATA),
        ("sitenet/model/kernels/dense.cpp", "", EDITED, MODELS, DATA),
        ("sitenet/train/transfer.py", "", EDITED, AFTER_TRANSFER, DATA | MODELS - {"transfer"}),
        ("sitenet/evaluate/representation.py", "", EDITED, AFTER_REPRESENTATION,
         DATA | MODELS | {"map"}),
        ("workflow/scripts/map.py", "", EDITED, AFTER_MAP, DATA | MODELS | {"representation"}),
    ],
)  # fmt: skip
def test_a_change_of_code_re_runs_what_depends_on_it(
    finished: Path, checkout: Path, file: str, old: str, new: str, stale: set, fresh: set
) -> None:
    text = (checkout / file).read_text()
    (checkout / file).write_text(text.replace(old, new, 1) if old else text + new)
    rules = planned(finished, "--snakefile", str(checkout / "Snakefile"))
    assert stale <= rules
    assert not fresh & rules


def test_a_change_of_a_figure_re_draws_it_alone(finished: Path, checkout: Path) -> None:
    with open(checkout / "sitenet/plots/fig5.py", "a") as file:
        file.write(EDITED)
    assert planned(finished, "--snakefile", str(checkout / "Snakefile")) == {"fig5", *LAST}


def test_one_figure_needs_only_its_own_steps(finished: Path) -> None:
    assert planned(finished, "--forceall", "results/figures/fig5.pdf") == {
        "collect", "labels", "split", "featurise", "computed_targets", "train", "fig5"
    }  # fmt: skip


def test_a_failed_step_says_why_in_one_line(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "cifs", tmp_path / "cifs")
    strict = {**CONFIG["datasets"]["mine"], "max_rejected_fraction": 0.1}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**CONFIG, "datasets": {"mine": strict}}))
    process = snakemake(tmp_path, "--configfile", "own.yaml", "--cores", "2")
    assert process.returncode != 0
    assert "4 of 22 crystals of mine are rejected (18.2%" in process.stderr
    assert "Traceback" not in process.stderr
    assert "TooManyRejected" in (tmp_path / "logs/mine/collect.log").read_text()
