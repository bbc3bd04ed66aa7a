# Encoders that are trained without labels, and the vectors they give crystals.


rule pretrain:
    input:
        shards=of(plan.featurised, "shards"),
        computed_targets=of(plan.pretraining, "computed_targets"),
        split=of(plan.pretraining, "split"),
        structures=rules.collect.output.structures,
        held_out=of(plan.pretraining, "held_out_structures"),
        tested_structures=of(plan.pretraining_tested, "structures"),
        tested_splits=of(plan.pretraining_tested, "splits"),
    output:
        weights=f"{paths.PRETRAINING}/model.safetensors",
        description=f"{paths.PRETRAINING}/model.json",
        metrics=f"{paths.PRETRAINING}/metrics.json",
        training_set=f"{paths.PRETRAINING}/training_set.parquet",
        history=f"{paths.PRETRAINING}/history.csv",
    log:
        paths.log(f"{paths.PRETRAINING}/pretrain"),
    priority: 6
    conda:
        "../envs/cuda.yaml"
    threads: config["training_threads"]
    resources:
        gpu=of(plan.pretraining, "gpus"),
        nodes=of(plan.pretraining, "nodes"),
        tasks=of(plan.pretraining, "nodes"),
        mem_mb=memory(16000),
        runtime=1440,
    params:
        code=code("pretrain"),
        features=of(plan.featurised, "features"),
        section=of(plan.pretraining, "settings"),
    script:
        "../workflow/scripts/pretrain.py"


rule embed:
    input:
        weights=of(plan.pretraining, "weights"),
        description=of(plan.pretraining, "description"),
        shards=of(plan.featurised, "shards"),
    output:
        trained=paths.EMBEDDINGS,
        untrained=paths.UNTRAINED,
    log:
        paths.log(paths.EMBEDDINGS),
    conda:
        "../envs/cuda.yaml"
    threads: beside(8)
    resources:
        gpu=1,
        mem_mb=memory(16000),
        runtime=60,
    params:
        code=code("embed"),
    script:
        "../workflow/scripts/embed.py"


rule dim_fig6:
    input:
        histories=[pretraining.file("history.csv") for pretraining in plan.pretrainings],
    output:
        **figure("dim_fig6", "DIM  6, pre-training"),
    log:
        "logs/figures/dim_fig6.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_fig6"),
        titles=[pretraining.name for pretraining in plan.pretrainings],
    script:
        "../workflow/scripts/dim_fig6.py"
