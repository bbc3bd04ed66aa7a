# What the attention of trained models reaches, and how complex the crystals are.


rule long_range:
    input:
        weights="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.safetensors",
        description="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.json",
        shards=shard_files,
        predictions="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/predictions.parquet",
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
        mem_mb=memory(8000),
        runtime=60,
    params:
        batch_sites=batch_sites,
        training=2000,
    script:
        "../workflow/scripts/long_range.py"


rule complexity:
    input:
        structures="results/{dataset}/structures.parquet",
        code=code("analysis/crystal_complexity.py", "crystal/complexity.py"),
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
        mem_mb=memory(4000),
        runtime=120,
    script:
        "../workflow/scripts/complexity.py"


rule attention:
    input:
        weights="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.safetensors",
        description="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.json",
        shards=shard_files,
        split="results/{dataset}/splits/{task}.csv",
        code=code("analysis/attention.py"),
    output:
        histogram="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/attention.parquet",
        table="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/attention.csv",
    log:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/attention.log",
    benchmark:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/attention.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=memory(8000),
        runtime=60,
    params:
        batch_sites=batch_sites,
    script:
        "../workflow/scripts/attention.py"


rule invariance:
    input:
        weights="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.safetensors",
        description="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/model.json",
        structures="results/{dataset}/structures.parquet",
        split="results/{dataset}/splits/{task}.csv",
        code=code("analysis/invariance.py", "analysis/crystal_sample.py", "crystal"),
    output:
        table="results/{dataset}/n{n}/{task}/{variant}/seed{seed}/invariance.parquet",
    log:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/invariance.log",
    benchmark:
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/invariance.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 4
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=60,
    params:
        crystals=100,
    script:
        "../workflow/scripts/invariance.py"


rule supercells:
    input:
        structures="results/{dataset}/structures.parquet",
        code=code("analysis/supercells.py", "analysis/crystal_sample.py", "crystal"),
    output:
        table="results/{dataset}/n{n}/supercells.parquet",
    log:
        "logs/{dataset}/n{n}/supercells.log",
    benchmark:
        "logs/{dataset}/n{n}/supercells.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 4
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=60,
    params:
        crystals=1000,
        tolerance=config["features"]["primitive_tolerance"],
    script:
        "../workflow/scripts/supercells.py"
