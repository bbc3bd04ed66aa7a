# One model per data set, N, task, variant and seed, and the baselines of each.


rule train:
    input:
        labels=rules.labels.output.labels,
        shards=of(plan.run, "shards"),
        split=of(plan.run, "split"),
        structures=rules.collect.output.structures,
        tested_structures=of(plan.run_tested, "structures"),
        tested_splits=of(plan.run_tested, "splits"),
        auxiliary=of(plan.run, "auxiliary_labels"),
        computed_targets=of(plan.run, "computed_targets"),
        encoder=of(plan.run_encoder),
    output:
        weights=f"{paths.RUN}/model.safetensors",
        description=f"{paths.RUN}/model.json",
        metrics=f"{paths.RUN}/metrics.json",
        predictions=f"{paths.RUN}/predictions.parquet",
        training_set=f"{paths.RUN}/training_set.safetensors",
        history=f"{paths.RUN}/history.csv",
    log:
        paths.log(f"{paths.RUN}/train"),
    priority: 4
    conda:
        "../envs/cuda.yaml"
    threads: config["training_threads"]
    resources:
        gpu=of(plan.run, "gpus"),
        nodes=of(plan.run, "nodes"),
        tasks=of(plan.run, "nodes"),
        mem_mb=memory(16000),
        runtime=1440,
    params:
        code=code("train"),
        features=of(plan.run, "features"),
        model=of(plan.run, "model"),
        task=of(plan.run, "label"),
        training=of(plan.run, "training"),
    script:
        "../workflow/scripts/train.py"


rule ensemble:
    input:
        predictions=of(plan.ensemble, "predictions"),
        metrics=of(plan.ensemble, "metrics"),
    output:
        predictions=f"{paths.ENSEMBLE}/predictions.parquet",
        metrics=f"{paths.ENSEMBLE}/metrics.json",
    log:
        paths.log(paths.ENSEMBLE),
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("ensemble"),
    script:
        "../workflow/scripts/ensemble.py"


rule baselines:
    input:
        predictions=of(plan.runs_of, "predictions"),
        features=rules.baseline_features.output.table,
    output:
        table=paths.BASELINES,
    log:
        paths.log(paths.BASELINES),
    priority: 1
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        mem_mb=memory(8000),
        runtime=240,
    params:
        code=code("baselines"),
        seed=of(plan.split_seed),
    script:
        "../workflow/scripts/baselines.py"
