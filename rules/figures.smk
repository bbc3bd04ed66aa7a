# Tables and figures of all configured runs.


rule metrics:
    input:
        metrics=of_runs("metrics.json"),
        code=code("train/summary.py"),
    output:
        csv="results/tables/metrics.csv",
        markdown="results/tables/metrics.md",
    log:
        "logs/tables/metrics.log",
    benchmark:
        "logs/tables/metrics.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    script:
        "../workflow/scripts/metrics.py"


rule tables:
    input:
        "results/tables/metrics.csv",


rule figures:
    input:
        of_runs("long_range.parquet"),
        of_datasets("complexity.parquet"),
