# One model per data set, N, task, variant and seed.


rule train:
    input:
        structures="results/{dataset}/structures.parquet",
        shards=shard_files,
        split="results/{dataset}/splits/{task}.csv",
        code=code("train/supervised.py", "train/module.py", "train/optimiser.py"),
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
    threads: 8
    resources:
        gpu=gpu_count,
        mem_mb=16000,
        runtime=1440,
    params:
        features=feature_section,
        model=model_section,
        task=task_section,
        training=training_section,
    script:
        "../workflow/scripts/train.py"
