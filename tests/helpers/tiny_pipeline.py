"""A pipeline that runs in a minute: a folder of small CIFs with some bad ones among them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CRYSTALS = ROOT / "tests" / "data" / "crystals"

CONFIG = {
    "datasets": {
        "mine": {
            "source": {"kind": "cif_folder", "path": "cifs"},
            "tasks": {"volume": {"column": "value", "unit": "A^3/atom"}},
            "split": {"kind": "grouped", "test": 0.3, "validation": 0.2},
            "max_rejected_fraction": 0.3,
            "shards": 2,
        }
    },
    "model": {"embedding_size": 4, "site_features_per_head": 4, "interaction_features_per_head": 4},
    "training": {"max_epochs": 2, "batch_sites": 30},
    "variants": {"small": {"model": {"heads": 2, "post_pool_layers": [8]},
                           "training": {"computed_targets": 0.5}}},
    "runs": [{"dataset": "mine", "n": 16, "tasks": ["volume"], "variant": "small", "seeds": [1]}],
    "infomax": {
        "training": {"max_epochs": 2, "batch_sites": 30},
        "supervised": {"max_epochs": 2, "batch_sites": 30},
        "transfer": {"label_counts": [8], "seeds": 2,
                     "training": {"max_epochs": 2, "batch_sites": 30}},
        "representation": {"label_counts": [5, 8], "masks": 6, "descriptors": ["xrd"]},
        "pretrainings": {
            "all": {"dataset": "mine", "n": 16, "split": "volume"},
            "plain": {"dataset": "mine", "n": 16, "split": "volume",
                      "false_samples": ["other_crystal"]},
        },
        "experiments": [{"name": "volume", "dataset": "mine", "n": 16, "task": "volume",
                         "pretraining": "all", "ablation": "plain",
                         "supervised": {"dataset": "mine", "task": "volume"}}],
    },
}  # fmt: skip

BAD_CIFS = {
    "empty": b"",
    "shared-site": b"""data_x
_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4
_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90
loop_\n_atom_site_label\n_atom_site_type_symbol
_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy
Fe1 Fe 0 0 0 0.5\nNi1 Ni 0 0 0 0.5
""",
    "latin1": "data_x\n# 5 \xc5\n".encode("latin-1"),
}


def prepare(folder: Path, config: dict = CONFIG) -> None:
    """Write the crystals, their labels and the configuration, own.yaml, into `folder`."""
    shutil.copytree(CRYSTALS, folder / "cifs")
    with open(folder / "cifs" / "id_prop.csv", "a") as file:
        for name in (*BAD_CIFS, "not-there"):
            file.write(f"{name},1.0\n")
    for name, content in BAD_CIFS.items():
        (folder / "cifs" / f"{name}.cif").write_bytes(content)
    shutil.copy(CRYSTALS / "NaCl.cif", folder / "cifs" / "unlabelled.cif")
    (folder / "own.yaml").write_text(yaml.safe_dump(config))


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start Snakemake in `folder` as a user does; `options` as of Popen."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    # Folders of one test session share the compiled kernels.
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")}
    return subprocess.Popen(
        [*command, *arguments], cwd=folder, env=environment, text=True, **options
    )


def snakemake(
    folder: Path, *arguments: str, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder` and wait, at most `timeout` seconds."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(folder, *arguments, **pipes, **options) as process:
        try:
            told = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, *told)
