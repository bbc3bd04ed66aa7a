"""What jobs and commands load: importing unused libraries would take most of a short job's time."""

import ast
import json
import subprocess
import sys
from math import isfinite
from pathlib import Path

import pytest
import torch
from example_crystals import EXAMPLES

from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.sources.cif_writer import write_cif

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = {path.stem: path for path in (ROOT / "workflow" / "scripts").glob("*.py")}

WITH_TORCH = {"attention", "embed", "encoder_descriptors", "encoder_errors",
              "encoder_vectors", "fit", "invariance", "learning_curve", "pretrain", "search",
              "train", "transfer"}  # fmt: skip
WITH_SKLEARN = {"representation"}
FIGURES = {name for name in SCRIPTS if "fig" in name or name == "dim_joined"}


def loaded(code: str, folder: Path = ROOT) -> set[str]:
    """Modules that are loaded after `code` has run in a process of its own."""
    told = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.__stderr__)"
    paths = [str(ROOT), str(ROOT / "workflow" / "scripts")]
    code = f"import sys\nsys.path[:0] = {paths!r}\n{code}{told}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def imports(script: str) -> str:
    """The import statements of a script of the workflow."""
    body = ast.parse(SCRIPTS[script].read_text()).body
    return "\n".join(ast.unparse(n) for n in body if isinstance(n, ast.Import | ast.ImportFrom))


def called(*arguments: str) -> str:
    """Code that calls the command line and goes on after its exit."""
    return (
        "from sitenet.cli import main\n"
        f"try:\n    code = main({list(arguments)!r})\n"
        "except SystemExit as stop:\n    code = stop.code\n"
    )


def assert_absent(found: set[str], *names: str) -> None:
    """None of these modules is loaded, nor a part of it."""
    assert not {m for m in found if any(m == name or m.startswith(f"{name}.") for name in names)}


def test_scripts_without_a_model_load_no_torch() -> None:
    light = sorted(set(SCRIPTS) - WITH_TORCH - WITH_SKLEARN)
    assert len(light) > 25
    found = loaded("\n".join(map(imports, light)))
    assert_absent(found, "torch", "sklearn", "sitenet.model", "sitenet.train", "ray")


def test_figures_load_neither_models_nor_crystals() -> None:
    found = loaded("\n".join(map(imports, sorted(FIGURES))))
    assert "sitenet.plots.fig7" in found
    assert "sitenet.plots.supercells" in found
    assert_absent(found, "torch", "pymatgen", "spglib", "sklearn", "scipy.stats", "scipy.linalg",
                  "sitenet.train", "sitenet.model", "sitenet.shards")  # fmt: skip


@pytest.mark.parametrize("module", sorted(p.stem for p in (ROOT / "sitenet/plots").glob("*.py")))
def test_every_module_of_plots_does_without_torch(module: str) -> None:
    name = "sitenet.plots" if module == "__init__" else f"sitenet.plots.{module}"
    assert_absent(loaded(f"import {name}"), "torch", "sitenet.train", "sitenet.model", "sklearn",
                  "scipy.stats", "pymatgen")  # fmt: skip


def test_analyses_of_a_model_do_without_its_training() -> None:
    names = ("attention", "invariance")
    found = loaded("\n".join(map(imports, names)))
    assert "torch" in found
    assert_absent(found, "sitenet.train", "sklearn", "pymatgen", "matplotlib", "scipy")


@pytest.mark.parametrize("arguments", [("--help",), ("predict", "--help"), ("predict",), ("x",)])
def test_help_and_wrong_arguments_load_no_libraries(arguments: tuple[str, ...]) -> None:
    found = loaded(called(*arguments))
    assert_absent(found, "torch", "pandas", "numpy", "pyarrow")


def test_trace_loads_no_libraries(tmp_path: Path) -> None:
    record = {"rule": "fig7", "wildcards": {}, "inputs": [], "outputs": ["fig7.pdf"], "params": {},
              "config": "c", "commit": None, "changed": None, "device": "cpu", "threads": 1,
              "gpus": 0, "started": "s", "finished": "f", "attempts": 1, "wall_seconds": 1.0,
              "cpu_seconds": 1.0, "gpu_seconds": 0.0, "peak_memory_bytes": 1}  # fmt: skip
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "fig7.json").write_text(json.dumps(record))
    code = called("trace", "fig7.pdf", "--out", "jobs.csv") + "assert code == 0"
    assert_absent(loaded(code, tmp_path), "torch", "pandas", "numpy", "pyarrow")
    assert (tmp_path / "jobs.csv").read_text().splitlines()[1].startswith("1,fig7,")


@pytest.mark.parametrize("engine", ["auto", "plain"])
def test_a_prediction_loads_torch_and_little_else(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITENET_ENGINE", engine)
    torch.manual_seed(0)
    model = SiteNet(ModelSettings())
    weights = tmp_path / "model.safetensors"
    save_model(model, model.settings, weights, weights.with_suffix(".json"),
               features=FeatureSettings(n_atoms=30).to_dict(),
               label={"column": "gap", "unit": "eV"})  # fmt: skip
    salt = EXAMPLES["rocksalt"]
    text = write_cif("NaCl", salt.lattice, ["Na"] * 4 + ["Cl"] * 4, salt.frac)
    (tmp_path / "salt.cif").write_text(text)
    code = called("predict", str(weights), "salt.cif", "--out", "out.csv") + "assert code == 0"
    found = loaded(code, tmp_path)
    assert "torch" in found
    assert_absent(found, "pandas", "pymatgen", "scipy", "sklearn", "matplotlib", "torch._dynamo",
                  "torch._inductor", "sympy", "sitenet.train", "sitenet.plots")  # fmt: skip
    row = (tmp_path / "out.csv").read_text().splitlines()[1].split(",")
    assert row[0] == "salt.cif"
    assert isfinite(float(row[1]))
    assert row[6:] == ["eV", "", "", ""]
