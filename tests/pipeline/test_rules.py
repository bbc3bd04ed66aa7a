"""The rules without running them: dry runs, configurations, what scripts and rules share."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_pipeline import CONFIG, CRYSTALS, ROOT, prepare, snakemake


def test_every_rule_has_the_fingerprint_of_its_script() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    scripts = 0
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        if script := re.search(r"scripts/(\w+)\.py", rule):
            assert f'code("{script[1]}"' in rule, rule
            scripts += 1
    assert scripts > 30


def test_checkpoints_are_kept_only_for_the_same_settings_code_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="sitenet")
    monkeypatch.syspath_prepend(ROOT / "workflow/scripts")
    job = importlib.import_module("job")
    shard, folder = tmp_path / "shard", tmp_path / "run"

    def survives(settings: dict) -> bool:
        job.checkpoints(folder, [str(shard)], settings)
        alive = (folder / "last.ckpt").exists()
        (folder / "last.ckpt").touch()
        return alive

    shard.write_text("one")
    for rate, code in ((1, "a"), (2, "a"), (2, "b")):
        assert not survives({"training": {"learning_rate": rate}, "code": code})
        assert survives({"training": {"learning_rate": rate}, "code": code})
    shard.write_text("other")
    assert not survives({"training": {"learning_rate": 2}, "code": "b"})
    assert survives({"training": {"learning_rate": 2}, "code": "b"})
    told = [record.getMessage().partition("run: ")[2] for record in caplog.records]
    assert told == [
        f"not continued after a change of {name}" for name in ("training", "code", "data")
    ]


def test_a_mistake_in_the_configuration_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**CONFIG, "modell": {}}))
    process = snakemake(tmp_path, "--configfile", "own.yaml", "--cores", "1")
    assert process.returncode != 0
    assert "own.yaml: modell is unknown (did you mean model?); allowed:" in process.stderr
    assert "Traceback" not in process.stderr


READY = {
    "table": ("fig7", 1, ()),
    "own_cifs": ("fig7", 1, ()),
    "matbench": ("fig7", 1, ()),
    "original": ("fig7", 1, ()),
    "dim_original_code": ("fig7", 1, ()),
    "plus ablation": ("train", 48, ("--until", "train")),
    "plus plus_phonons": ("train", 12, ("--until", "train")),
    "plus": ("pretrain", 5, ()),
    "plus trained": ("pretrain", 3, ("--until", "ensemble")),
    "plus trained_energy": ("train", 3, ("--until", "ensemble")),
    "plus trained_encoder": (
        "pretrain",
        1,
        ("--", "results/mp/n50/pretraining/shipped/model.safetensors"),
    ),
    "plus trained_matbench": ("ensemble", 2, ("--until", "ensemble")),
    "few_labels": ("learning_curve", 5, ("--", "few_labels")),
}
"""Configurations, laid one over another: a rule of what they are for, its jobs, and arguments."""


@pytest.mark.parametrize("names", READY)
def test_ready_configurations_have_a_plan(names: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "cifs").mkdir(parents=True)
    shutil.copy(CRYSTALS / "NaCl.cif", data / "cifs")
    (data / "cifs" / "id_prop.csv").write_text("NaCl,1.0\n")
    salt = {"id": "NaCl", "cif": (CRYSTALS / "NaCl.cif").read_text(), "split": "train"}
    labels = {"band_gap_eV": 5.0, "e_form_eV_per_atom": -2.0}
    labels |= dict.fromkeys(("last_phdos_peak_cm1", "eps_electronic", "eps_total"), 9.0)
    for table in ("crystals", "phonons_1511", "mp_33k"):
        pd.DataFrame([salt | labels]).to_parquet(data / f"{table}.parquet")
    (data / "mp5k_split.csv").write_text("id,split\nNaCl,train\n")
    files = [str(ROOT / f"config/{name}.yaml") for name in names.split()]
    rule, jobs, more = READY[names]
    process = snakemake(tmp_path, "--dry-run", "--configfile", str(ROOT / "config.yaml"), *files,
                        *more)  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    found = re.search(rf"^{rule} +(\d+)$", process.stdout, re.MULTILINE)
    assert found
    assert int(found[1]) == jobs


PLAN = """
import sys
from snakemake.cli import main
try:
    main(["--dry-run", "--snakefile", *sys.argv[1:]])
finally:
    heavy = {"torch", "pymatgen", "matminer", "sklearn"} & set(sys.modules)
    print("imported:", *sorted(heavy))
"""


def test_a_plan_for_a_hundred_thousand_crystals_is_small_and_quick(tmp_path: Path) -> None:
    """Jobs grow with the shards that the configuration asks for, in two rules only."""

    def jobs(*changes: str) -> dict[str, int]:
        files = [str(ROOT / "config.yaml"), str(ROOT / "config/matbench.yaml")]
        command = [str(ROOT / "Snakefile"), "--configfile", *files, *changes]
        process = subprocess.run(
            [sys.executable, "-c", PLAN, *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stdout + process.stderr
        assert process.stdout.endswith("imported:\n")  # a plan needs none of what computes
        table = process.stdout.rpartition("Job stats:")[2]
        return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}

    few = jobs()
    assert few["total"] < 400
    more = jobs("--config", "datasets={mp_gap: {shards: 32}}")
    grown = {name: more[name] - few[name] for name in few if more[name] != few[name]}
    assert set(grown) == {"featurise", "descriptors", "total"}
    assert grown["featurise"] == 3 * 16  # three sizes of supercells


def test_no_timer_outlives_the_jobs(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "Snakefile").write_text(f"""
include: "{ROOT}/rules/common.smk"
rule b:
    input: "a"
    output: "b"
    shell: "touch b"
rule a:
    output: "a"
    shell: "touch a"
onsuccess:
    import threading
    print("timers:", sum(isinstance(one, threading.Timer) for one in threading.enumerate()))
""")
    process = snakemake(tmp_path, "--snakefile", "Snakefile", "--configfile", "own.yaml",
                        "--cores", "1", "--max-jobs-per-timespan", "100/3s", "b")  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "timers: 0" in process.stdout
