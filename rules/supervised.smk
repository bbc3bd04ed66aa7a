# One model per data set, N, task, variant and seed.


rule train:
    input:
        labels=rules.labels.output.labels,
        shards=of(plan.run, "shards"),
        split=rules.split.output.split,
    output:
        weights=f"{paths.RUN}/model.safetensors",
        description=f"{paths.RUN}/model.json",
        metrics=f"{paths.RUN}/metrics.json",
        predictions=f"{paths.RUN}/predictions.parquet",
        history=f"{paths.RUN}/history.csv",
    log:
        paths.log(f"{paths.RUN}/train"),
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
