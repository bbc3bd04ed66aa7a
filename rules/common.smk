# Helpers of the rules: the checked configuration and the parts of it that a rule depends on.

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from sitenet.options.config import ENCODER, ConfigError, checked, overlaid

ROOT = Path(workflow.basedir)
RUN = "results/{dataset}/n{n}/{task}/{variant}/seed{seed}"

try:
    config = checked(config, " + ".join(map(os.path.relpath, workflow.configfiles)))
except ConfigError as error:
    raise WorkflowError(error) from None


def fewer_lines(record):
    """Count the scheduler's lines about single jobs among those that `quiet: rules` silences."""
    if record.getMessage().startswith(("Select jobs", "Execute ", "Finished jobid")):
        record.quietness = Quietness.RULES
    return True


logger.addFilter(fewer_lines)


def code(*names):
    """Files of the package, relative to the working folder: an edit of one re-runs the rule."""
    found = []
    for name in names:
        path = ROOT / "sitenet" / name
        found += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [os.path.relpath(path) for path in found]


def memory(megabytes):
    """Resource function: the memory of a job in MB, as much again with every further attempt."""

    def of_attempt(wildcards, attempt):
        return megabytes * attempt

    return of_attempt


def entry(section, name):
    """An entry of the configuration that a requested path names."""
    if name not in section:
        raise WorkflowError(
            f"{name} is not in the configuration; it has {', '.join(map(str, section))}"
        )
    return section[name]


def dataset_section(wildcards):
    return entry(config["datasets"], wildcards.dataset)


def source_section(wildcards):
    """What decides the table of structures."""
    section = dataset_section(wildcards)
    tasks = {
        name: {"column": task["column"], "unit": task["unit"]}
        for name, task in section["tasks"].items()
    }
    return {
        "source": section["source"],
        "tasks": tasks,
        "max_rejected_fraction": section["max_rejected_fraction"],
    }


def max_rejected_fraction(wildcards):
    return dataset_section(wildcards)["max_rejected_fraction"]


def source_files(wildcards):
    """Files of the user that the table of structures is made from."""
    source = dataset_section(wildcards)["source"]
    if source["kind"] == "table":
        return [section["path"] for section in (source, source.get("ids")) if section]
    if source["kind"] == "cif_folder":
        return [source["path"], source["labels"] or os.path.join(source["path"], "id_prop.csv")]
    return []


def source_code(wildcards):
    """Files of the package that decide the table of structures, other than helpers."""
    kind = dataset_section(wildcards)["source"]["kind"]
    return code(
        "sources/record_checks.py",
        "sources/structure_table.py",
        "structure/cif.py",
        f"sources/{kind}.py",
    )


def split_section(wildcards):
    return dataset_section(wildcards)["split"]


def task_section(wildcards):
    return entry(dataset_section(wildcards)["tasks"], wildcards.task)


def shard_count(wildcards):
    return dataset_section(wildcards)["shards"]


def shards_of(dataset, n):
    """All shards of a data set at one N."""
    parts = range(config["datasets"][dataset]["shards"])
    return [f"results/{dataset}/n{n}/shards/part-{part:03d}.parquet" for part in parts]


def shard_files(wildcards):
    """Input function: the shards of the data set and N in the wildcards."""
    entry(config["datasets"], wildcards.dataset)
    return shards_of(wildcards.dataset, wildcards.n)


def feature_options():
    """What decides the shards, other than N."""
    options = dict(config["features"])
    del options["site_feature_scaling"]
    return options


def feature_section(wildcards):
    """What decides the shards."""
    return {"n_atoms": int(wildcards.n), **feature_options()}


def variant_section(wildcards, section):
    """A section of the configuration as a variant has it."""
    if wildcards.variant == ENCODER:
        return config["infomax"]["supervised" if section == "training" else section]
    overlay = entry(config["variants"], wildcards.variant)
    return overlaid(config[section], overlay.get(section, {}))


def model_section(wildcards):
    """What decides the network."""
    encoder = wildcards.variant == ENCODER
    scaling = config["infomax" if encoder else "features"]["site_feature_scaling"]
    return {
        **variant_section(wildcards, "model"),
        "site_feature_scaling": scaling,
        "output": task_section(wildcards)["output"],
    }


def training_section(wildcards):
    """What decides the training of one run."""
    return {**variant_section(wildcards, "training"), "seed": int(wildcards.seed)}


def batch_sites(wildcards):
    return variant_section(wildcards, "training")["batch_sites"]


def gpu_count(wildcards):
    """GPUs of a training, on all its machines."""
    return node_count(wildcards) * variant_section(wildcards, "training")["devices"]


def node_count(wildcards):
    return variant_section(wildcards, "training")["nodes"]


def settings(*, shown=False):
    """Dataset, N, task, variant and seeds of what the configuration trains, each setting once.

    With `shown` only the settings that figures show.
    """
    found = {}
    for run in config["runs"]:
        for task in run["tasks"] if run["figures"] or not shown else []:
            setting = (run["dataset"], run["n"], task, run["variant"])
            found.setdefault(setting, []).extend(run["seeds"])
    return found


def run_file(setting, seed, name):
    dataset, n, task, variant = setting
    folder = RUN.format(dataset=dataset, n=n, task=task, variant=variant, seed=seed)
    return f"{folder}/{name}"


def of_runs(name):
    """A file of every configured run."""
    return [
        run_file(setting, seed, name)
        for setting, seeds in settings().items()
        for seed in dict.fromkeys(seeds)
    ]


def of_settings(name):
    """A file of the first seed of every setting, which figures show."""
    return [run_file(setting, seeds[0], name) for setting, seeds in settings(shown=True).items()]


def of_ensembles(name):
    """A file of the ensemble of every setting with several seeds."""
    folder = str(Path(RUN).parent)
    return [
        f"{folder.format(dataset=dataset, n=n, task=task, variant=variant)}/ensemble/{name}"
        for (dataset, n, task, variant), seeds in settings().items()
        if len(set(seeds)) > 1
    ]


def of_seeds(name):
    """Input function: a file of every configured seed of the setting in the wildcards."""

    def files(wildcards):
        setting = (wildcards.dataset, int(wildcards.n), wildcards.task, wildcards.variant)
        seeds = dict.fromkeys(entry(settings(), setting))
        return [run_file(setting, seed, name) for seed in seeds]

    return files


def complexity_of_settings():
    return [f"results/{dataset}/complexity.parquet" for dataset, *_ in settings(shown=True)]


def titles():
    """Headings of the settings in figures: as short as they stay different."""
    columns = list(zip(*settings(shown=True)))
    differ = [len(set(column)) > 1 for column in columns]
    names = []
    for dataset, n, task, variant in settings(shown=True):
        parts = [dataset] * differ[0] + [task.replace("_", " "), f"N = {n}"] + [variant] * differ[3]
        names.append(", ".join(parts))
    return names


def units():
    return [config["datasets"][s[0]]["tasks"][s[2]]["unit"] for s in settings(shown=True)]


def featurised_sets():
    """Data set and N of everything that is featurised, each pair once."""
    return list(dict.fromkeys((dataset, n) for dataset, n, *_ in settings()))


def supercells_of_sets():
    return [f"results/{dataset}/n{n}/supercells.parquet" for dataset, n in featurised_sets()]


def set_titles():
    """Headings of data sets at one N in figures."""
    return [f"{dataset}, N = {n}" for dataset, n in featurised_sets()]


# Search for hyperparameters


def of_searches(name):
    """A file of every search in the configuration."""
    return [f"results/tuning/{search}/{name}" for search in config["tuning"]]


def search_entry(wildcards):
    return entry(config["tuning"], wildcards.search)


def search_structures(wildcards):
    return f"results/{search_entry(wildcards)['dataset']}/structures.parquet"


def search_shards(wildcards):
    section = search_entry(wildcards)
    return shards_of(section["dataset"], section["n"])


def search_split(wildcards):
    section = search_entry(wildcards)
    return f"results/{section['dataset']}/splits/{section['task']}.csv"


def search_features(wildcards):
    """What decided the shards."""
    return {"n_atoms": search_entry(wildcards)["n"], **feature_options()}


def search_overlay(wildcards):
    """What the variant changes that the search starts from."""
    return entry(config["variants"], search_entry(wildcards)["variant"])


def search_model(wildcards):
    """The network of a search, whose drawn options replace these."""
    section = search_entry(wildcards)
    task = config["datasets"][section["dataset"]]["tasks"][section["task"]]
    return {
        **overlaid(config["model"], search_overlay(wildcards).get("model", {})),
        "site_feature_scaling": config["features"]["site_feature_scaling"],
        "output": task["output"],
    }


def search_training(wildcards):
    """How the trials of a search are trained, other than by what is drawn."""
    section = search_entry(wildcards)
    training = overlaid(config["training"], search_overlay(wildcards).get("training", {}))
    shorter = {"max_epochs": section["max_epochs"]} if section["max_epochs"] else {}
    return {**training, **shorter, "devices": 1, "nodes": 1, "seed": section["seed"]}


def search_run(wildcards):
    """What a search is for."""
    section = search_entry(wildcards)
    task = config["datasets"][section["dataset"]]["tasks"][section["task"]]
    names = {name: section[name] for name in ("dataset", "n", "task", "variant")}
    return {**names, "unit": task["unit"], "overlay": search_overlay(wildcards)}


def search_settings(wildcards):
    """How a search draws, runs and stops its trials."""
    section = dict(search_entry(wildcards))
    for name in ("dataset", "n", "task", "variant"):
        del section[name]
    section["max_epochs"] = search_training(wildcards)["max_epochs"]
    return section
