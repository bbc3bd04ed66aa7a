# Crystals to merged pairs of a supercell of at most N atoms, in shards.


rule featurise:
    input:
        structures=rules.collect.output.structures,
    output:
        shard=paths.SHARD,
        rejected=paths.rejections(paths.SHARD),
    log:
        paths.log(paths.SHARD),
    priority: 8
    conda:
        "../envs/cpu.yaml"
    resources:
        runtime=240,
    params:
        code=code("featurise"),
        features=of(plan.featurised, "features"),
        parts=of(plan.dataset, "parts"),
        limits=config["limits"],
    script:
        "../workflow/scripts/featurise.py"


rule computed_targets:
    input:
        shard=rules.featurise.output.shard,
    output:
        table=paths.COMPUTED_TARGETS,
    log:
        paths.log(paths.COMPUTED_TARGETS),
    priority: 7
    conda:
        "../envs/cpu.yaml"
    resources:
        runtime=60,
    params:
        code=code("computed_targets"),
    script:
        "../workflow/scripts/computed_targets.py"
