# Helpers of the rules that tell where results come from.


def used_sets():
    """Data set and N of all crystals that something is computed from, each pair once."""
    infomax = config["infomax"]
    pretrainings = [infomax["pretrainings"][name] for name in used_pretrainings()]
    sets = [(s["dataset"], s["n"]) for s in [*pretrainings, *experiments().values()]]
    others = [
        (s["supervised"]["dataset"], s["n"]) for s in experiments().values() if s["supervised"]
    ]
    return list(dict.fromkeys([*featurised_sets(), *sets, *others]))


def rejection_lists():
    """Lists of the crystals that were refused: when read, featurised, measured or described."""
    shards = [shard for dataset, n in used_sets() for shard in shards_of(dataset, n)]
    described = dict.fromkeys(section["dataset"] for section in experiments().values())
    return [
        *dict.fromkeys(f"results/{dataset}/rejected.csv" for dataset, _ in used_sets()),
        *(shard.replace(".parquet", ".rejected.csv") for shard in shards),
        *(path.replace(".parquet", ".rejected.csv") for path in complexity_of_settings()),
        *(
            file
            for dataset in described
            for descriptor in config["infomax"]["representation"]["descriptors"]
            for file in descriptor_files(dataset, descriptor, "rejected.csv")
        ),
    ]
