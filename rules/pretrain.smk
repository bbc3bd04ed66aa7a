# Deep InfoMax: encoders that are trained without labels, and what they make of crystals.


rule pretrain:
    input:
        shards=shard_files,
        split=pretraining_split,
        held_out=held_out,
        code=code(
            "train/pretrain.py",
            "train/infomax_task.py",
            "train/task.py",
            "train/loop.py",
            "train/history.py",
            "model/infomax",
        ),
    output:
        weights="results/{dataset}/n{n}/pretraining/{pretraining}/model.safetensors",
        description="results/{dataset}/n{n}/pretraining/{pretraining}/model.json",
        metrics="results/{dataset}/n{n}/pretraining/{pretraining}/metrics.json",
        history="results/{dataset}/n{n}/pretraining/{pretraining}/history.csv",
    log:
        "logs/{dataset}/n{n}/pretraining/{pretraining}/pretrain.log",
    benchmark:
        "logs/{dataset}/n{n}/pretraining/{pretraining}/pretrain.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: config["training_threads"]
    resources:
        gpu=pretraining_gpus,
        nodes=pretraining_nodes,
        tasks=pretraining_nodes,
        mem_mb=memory(16000),
        runtime=1440,
    params:
        features=feature_section,
        section=pretraining_section,
    script:
        "../workflow/scripts/pretrain.py"


rule embed:
    input:
        weights=pretrained("model.safetensors"),
        description=pretrained("model.json"),
        shards=shard_files,
        code=code("train/embed.py"),
    output:
        trained="results/{dataset}/n{n}/embeddings/{pretraining}.parquet",
        untrained="results/{dataset}/n{n}/embeddings/{pretraining}.untrained.parquet",
    log:
        "logs/{dataset}/n{n}/embeddings/{pretraining}.log",
    benchmark:
        "logs/{dataset}/n{n}/embeddings/{pretraining}.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=memory(8000),
        runtime=60,
    script:
        "../workflow/scripts/embed.py"


rule dim_fig6:
    input:
        histories=of_pretrainings("history.csv"),
        code=code("plots/dim_fig6.py", "plots/style.py"),
    output:
        pdf="results/figures/dim_fig6.pdf",
        png=figure("results/figures/dim_fig6.png", "DIM  6, pre-training"),
        data=figure("results/figures/dim_fig6.parquet", "DIM  6, pre-training"),
    log:
        "logs/figures/dim_fig6.log",
    benchmark:
        "logs/figures/dim_fig6.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=used_pretrainings(),
    script:
        "../workflow/scripts/dim_fig6.py"
