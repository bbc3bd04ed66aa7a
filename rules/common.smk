# Helpers of the rules: the checked configuration and the parts of it that a rule depends on.

import os
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from sitenet.config import ENCODER, ConfigError, checked, overlaid

ROOT = Path(workflow.basedir)
RUN = "results/{dataset}/n{n}/{task}/{variant}/seed{seed}"

with open(ROOT / "workflow" / "schemas" / "config.schema.yaml") as file:
    SCHEMA = yaml.safe_load(file)

try:
    config = checked(config, SCHEMA, " + ".join(map(os.path.relpath, workflow.configfiles)))
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
    return code("sources/collect.py", "sources/cif.py", f"sources/{kind}.py")


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


# Deep InfoMax


def pretraining_entry(wildcards):
    return entry(config["infomax"]["pretrainings"], wildcards.pretraining)


def pretraining_section(wildcards):
    """What decides a pre-training, other than its crystals."""
    section, infomax = pretraining_entry(wildcards), config["infomax"]
    loss = {**infomax["loss"], "site_feature_scaling": infomax["site_feature_scaling"]}
    if section["false_samples"] is not None:
        loss["false_samples"] = section["false_samples"]
    return {
        "model": {**infomax["model"], "site_feature_scaling": infomax["site_feature_scaling"]},
        "loss": loss,
        "training": {**infomax["training"], "seed": section["seed"]},
    }


def pretraining_split(wildcards):
    """The split whose training and validation parts are used."""
    section = pretraining_entry(wildcards)
    return f"results/{section['dataset']}/splits/{section['split']}.csv"


def held_out(wildcards):
    """Tables of structures whose ids are left out of a pre-training."""
    names = pretraining_entry(wildcards)["hold_out"]
    return [f"results/{name}/structures.parquet" for name in names]


def pretraining_gpus(wildcards):
    return pretraining_nodes(wildcards) * config["infomax"]["training"]["devices"]


def pretraining_nodes(wildcards):
    return config["infomax"]["training"]["nodes"]


def pretrained_file(pretraining, name):
    section = entry(config["infomax"]["pretrainings"], pretraining)
    folder = f"results/{section['dataset']}/n{section['n']}/pretraining/{pretraining}"
    return f"{folder}/{name}"


def pretrained(name):
    """Input function: a file of the pre-training in the wildcards."""

    def file(wildcards):
        return pretrained_file(wildcards.pretraining, name)

    return file


def experiment_section(wildcards):
    return entry(experiments(), wildcards.experiment)


def experiments(figure=None):
    """Names and sections of the experiments that a figure shows."""
    return {
        section["name"]: section
        for section in config["infomax"]["experiments"]
        if figure in (None, section["figure"])
    }


def used_pretrainings():
    """Pre-trainings of all experiments, each once."""
    used = []
    for section in experiments().values():
        used += [section[role] for role in ("pretraining", "ablation") if section[role]]
    return list(dict.fromkeys(used))


def of_pretrainings(name):
    """A file of every pre-training that an experiment uses."""
    return [pretrained_file(pretraining, name) for pretraining in used_pretrainings()]


def experiment_value(key):
    """Parameter function: an option of the experiment in the wildcards."""

    def value(wildcards):
        return experiment_section(wildcards)[key]

    return value


def of_experiment(pattern):
    """Input function: a file of the experiment's data set, N and task."""

    def file(wildcards):
        return pattern.format(**experiment_section(wildcards))

    return file


def experiment_shards(wildcards):
    section = experiment_section(wildcards)
    return shards_of(section["dataset"], section["n"])


def experiment_splits(wildcards):
    """Splits of all tasks of a data set that experiments are about."""
    tasks = [s["task"] for s in experiments().values() if s["dataset"] == wildcards.dataset]
    return [f"results/{wildcards.dataset}/splits/{task}.csv" for task in dict.fromkeys(tasks)]


def experiment_titles(sections):
    """Headings of experiments in figures."""
    return [section["name"].replace("_", " ") for section in sections.values()]


def experiment_tasks(sections):
    """Names of the properties in figures."""
    return [section["task"].replace("_", " ") for section in sections.values()]


def experiment_task(section):
    """Column, unit and output of the label of an experiment."""
    return config["datasets"][section["dataset"]]["tasks"][section["task"]]


def experiment_units(sections):
    return [experiment_task(section)["unit"] for section in sections.values()]


def transfer_encoder(wildcards):
    """Weights that an arm starts from, and their description; none for random ones."""
    section, names = experiment_section(wildcards), ("model.safetensors", "model.json")
    if wildcards.arm == "random":
        return []
    if wildcards.arm == "infomax":
        return [pretrained_file(section["pretraining"], name) for name in names]
    if not section["supervised"]:
        raise WorkflowError(f"{section['name']} has no other task to train an encoder on")
    setting = (
        section["supervised"]["dataset"],
        section["n"],
        section["supervised"]["task"],
        ENCODER,
    )
    return [run_file(setting, 0, name) for name in names]


def transfer_section(wildcards):
    """What decides one arm with one number of labels, other than its data."""
    section, infomax = experiment_section(wildcards), config["infomax"]
    model = {
        **infomax["model"],
        "site_feature_scaling": infomax["site_feature_scaling"],
        "output": experiment_task(section)["output"],
    }
    options = {name: infomax["transfer"][name] for name in ("seeds", "validation", "training")}
    return {**options, "labels": int(wildcards.labels), "model": model}


def transfer_unit(wildcards):
    return experiment_task(experiment_section(wildcards))["unit"]


def of_transfers(sections):
    """Errors of all arms and numbers of labels, experiment by experiment."""
    return [
        f"results/transfer/{name}/{arm}/labels{labels}.parquet"
        for name, section in sections.items()
        for arm in ("random", "infomax", "supervised")
        if arm != "supervised" or section["supervised"]
        for labels in config["infomax"]["transfer"]["label_counts"]
    ]


def ablated(figure):
    """The experiments of a figure that have a pre-training without synthetic falses."""
    return {name: s for name, s in experiments(figure).items() if s["ablation"]}


def representation_settings():
    """What decides the comparison of representations."""
    options = dict(config["infomax"]["representation"])
    del options["descriptors"], options["map_points"]
    return options


def drawn_crystals():
    """What decides which crystals the representations are compared on."""
    return {name: config["infomax"]["representation"][name] for name in ("pool", "test", "seed")}


def map_settings():
    options = config["infomax"]["representation"]
    return {"points": options["map_points"], "seed": options["seed"]}


def descriptor_files(dataset, descriptor, suffix):
    parts = range(config["datasets"][dataset]["shards"])
    folder = f"results/{dataset}/descriptors/{descriptor}"
    return [f"{folder}/part-{part:03d}.{suffix}" for part in parts]


def descriptor_rejections(wildcards):
    """Lists of crystals that a descriptor cannot describe."""
    dataset = experiment_section(wildcards)["dataset"]
    return [
        file
        for descriptor in config["infomax"]["representation"]["descriptors"]
        for file in descriptor_files(dataset, descriptor, "rejected.csv")
    ]


def representation_vectors(wildcards):
    """Tables with the vectors of a representation: a learned one, or the parts of a descriptor."""
    section = experiment_section(wildcards)
    learned = {
        "infomax": section["pretraining"],
        "untrained": f"{section['pretraining']}.untrained",
        "without_synthetic": section["ablation"],
    }
    if wildcards.representation not in learned:
        return descriptor_files(section["dataset"], wildcards.representation, "parquet")
    name = learned[wildcards.representation]
    return [f"results/{section['dataset']}/n{section['n']}/embeddings/{name}.parquet"]


def compared_representations():
    """What figure 8 compares."""
    return ["infomax", "untrained", *config["infomax"]["representation"]["descriptors"]]


def of_representations(sections, representations):
    """Errors of these representations, experiment by experiment."""
    return expand(
        "results/representation/{experiment}/{representation}.parquet",
        experiment=sections,
        representation=representations,
    )


def of_maps(suffix):
    """Maps of the main experiments, the trained before the untrained representation."""
    return expand(
        "results/maps/{experiment}/{representation}.{suffix}",
        experiment=experiments("main"),
        representation=["infomax", "untrained"],
        suffix=suffix,
    )
