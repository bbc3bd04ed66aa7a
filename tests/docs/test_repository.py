"""Files that tools outside this repository read: consistent with it and with the lock file."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import sitenet

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_hooks_run_the_checks_of_make_with_locked_tools() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in hooks:
        tool, *arguments = shlex.split(hook["entry"])
        folder, _, name = tool.rpartition("/")
        assert folder == ".venv/bin"
        assert name in LOCKED
        command = " ".join([name, *arguments[:1]]).removesuffix(" --force-exclude")
        assert f"$(BIN)/{command}" in makefile
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "snakefmt", "mypy"}


def test_hosted_checks_are_those_of_ci_run() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    python = next(s["with"]["python-version"] for s in job["steps"] if "setup-python" in str(s))
    assert python == PROJECT["requires-python"].removeprefix(">=")
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_container_has_the_packages_of_the_lock_file() -> None:
    steps = instructions((ROOT / "Dockerfile").read_text())
    (base,) = (value for name, value in steps if name == "FROM")
    image, version = re.fullmatch(r"([a-z]+):(\d+\.\d+)\.\d+-slim-[a-z]+", base).groups()
    assert image == "python"
    assert f"python={version}\n" in (ROOT / "envs/cuda.yaml").read_text()
    assert PROJECT["requires-python"] == f">={version}"
    runs = [value for name, value in steps if name == "RUN"]
    installed = [
        run.split("recommends")[1].split("&&")[0].split() for run in runs if "apt-get" in run
    ]
    assert installed == [["g++", "make"]]
    assert [re.search(r"--requirement (\S+)", run).group(1) for run in runs if "--req" in run] == [
        "requirements.lock"
    ]
    assert any(re.search(r"pip install .*--no-deps --editable \.$", run) for run in runs)
    copied = [value.split()[0] for name, value in steps if name == "COPY"]
    assert copied == ["requirements.lock", "."]
    assert all((ROOT / path).exists() for path in copied)


def test_container_starts_the_pipeline() -> None:
    steps = instructions((ROOT / "Dockerfile").read_text())
    folders = [value for name, value in steps if name == "WORKDIR"]
    (entry,) = (yaml.safe_load(value) for name, value in steps if name == "ENTRYPOINT")
    assert entry == ["snakemake", "--snakefile", f"{folders[0]}/Snakefile"]
    ignored = {line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for needed in (
        "Snakefile",
        "config.yaml",
        "rules",
        "workflow",
        "sitenet",
        "profiles",
        "LICENSE",
    ):
        assert (ROOT / needed).exists()
        assert needed not in ignored


def test_catalog_finds_what_it_needs() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True
    assert set(usage["software-stack-deployment"]) <= {"conda", "singularity", "singularity+conda"}
    assert (ROOT / "config/README.md").exists()
    assert (ROOT / "workflow/Snakefile").exists()
    assert usage["software-stack-deployment"]["conda"] == any((ROOT / "envs").glob("*.yaml"))


def test_citation_is_valid() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["license"] == PROJECT["license"]["text"]
    assert citation.get("version", sitenet.__version__) == sitenet.__version__
    assert [reference["doi"] for reference in citation["references"]] == [
        "10.1039/d3dd00005b", "10.1039/d4dd00202d"
    ]  # fmt: skip


def test_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.*?)\] - (\S+)", text, re.MULTILINE)
    assert versions[0][0] == sitenet.__version__
    sections = set(re.findall(r"^### (.*)", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_results_have_their_page_and_nothing_else_is_tracked() -> None:
    assert git("ls-files", "results").split() == ["results/README.md"]
    ignored = git("check-ignore", "results/figures/fig7.pdf", "results/mine/structures.parquet")
    assert len(ignored.split()) == 2
