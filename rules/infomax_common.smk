# Helpers of the rules of Deep InfoMax: pre-trainings, experiments and what they are made of.


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
