# What the attention of trained models reaches, and how complex the crystals are.


rule long_range:
    input:
        weights="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.safetensors",
        description="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.json",
        shards=shard_files,
        split="results/{dataset}/splits/{task}.csv",
        code=code("analysis/long_range.py"),
    output:
        table="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/long_range.parquet",
    log:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/long_range.log",
    benchmark:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/long_range.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        batch_sites=batch_sites,
    script:
        "../workflow/scripts/long_range.py"


rule complexity:
    input:
        structures="results/{dataset}/structures.parquet",
        code=code("analysis/complexity_table.py", "crystal/complexity.py"),
    output:
        table="results/{dataset}/complexity.parquet",
        rejected="results/{dataset}/complexity.rejected.csv",
    log:
        "logs/{dataset}/complexity.log",
    benchmark:
        "logs/{dataset}/complexity.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=120,
    script:
        "../workflow/scripts/complexity.py"
