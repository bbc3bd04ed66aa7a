# One model per data set, N, task, variant and seed.


rule train:
    input:
        structures="results/{dataset}/structures.parquet",
        shards=shard_files,
        split="results/{dataset}/splits/{task}.csv",
        code=code(
            "train/supervised.py",
            "train/task.py",
            "train/optimiser.py",
            "train/loop.py",
            "train/history.py",
        ),
    output:
        weights="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.safetensors",
        description="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.json",
        metrics="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/metrics.json",
        predictions="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/predictions.parquet",
        history="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/history.csv",
    log:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/train.log",
    benchmark:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/train.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: config["training_threads"]
    resources:
        gpu=gpu_count,
        nodes=node_count,
        tasks=node_count,
        mem_mb=memory(16000),
        runtime=1440,
    params:
        features=feature_section,
        model=model_section,
        task=task_section,
        training=training_section,
    script:
        "../workflow/scripts/train.py"


rule ensemble:
    input:
        predictions=of_seeds("predictions.parquet"),
        metrics=of_seeds("metrics.json"),
        code=code("evaluate/ensemble.py", "evaluate/metrics.py"),
    output:
        predictions="results/{dataset}/n{n}/{task}/{variant}/ensemble/predictions.parquet",
        metrics="results/{dataset}/n{n}/{task}/{variant}/ensemble/metrics.json",
    log:
        "logs/{dataset}/n{n}/{task}/{variant}/ensemble.log",
    benchmark:
        "logs/{dataset}/n{n}/{task}/{variant}/ensemble.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1000),
        runtime=10,
    script:
        "../workflow/scripts/ensemble.py"
