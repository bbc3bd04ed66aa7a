# Crystals and labels from their source into one table; the split of each task.


rule collect:
    input:
        source=source_files,
        code=source_code,
    output:
        structures="results/{dataset}/structures.parquet",
        rejected="results/{dataset}/rejected.csv",
    log:
        "logs/{dataset}/collect.log",
    benchmark:
        "logs/{dataset}/collect.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=120,
    params:
        section=source_section,
    script:
        "../workflow/scripts/collect.py"


rule split:
    input:
        structures="results/{dataset}/structures.parquet",
        code=code("splits/split.py"),
    output:
        split="results/{dataset}/splits/{task}.csv",
        report="results/{dataset}/splits/{task}.json",
    log:
        "logs/{dataset}/splits/{task}.log",
    benchmark:
        "logs/{dataset}/splits/{task}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=20,
    params:
        section=split_section,
    script:
        "../workflow/scripts/split.py"
