# Where the results come from: refused crystals, jobs, versions.


rule rejections:
    input:
        lists=rejection_lists(),
        code=code("provenance/rejections.py"),
    output:
        table=report(
            "results/tables/rejections.csv",
            caption="../workflow/report/rejections.rst",
            category="Run",
            labels={"table": "refused crystals"},
        ),
    log:
        "logs/tables/rejections.log",
    benchmark:
        "logs/tables/rejections.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    script:
        "../workflow/scripts/rejections.py"


rule jobs:
    input:
        results=[
            *rules.tables.input,
            *rules.figures.input,
            *(rules.infomax.input if experiments() else []),
            rules.rejections.output.table,
        ],
        code=code("provenance/trace.py"),
    output:
        jobs=report(
            "results/tables/jobs.csv",
            caption="../workflow/report/jobs.rst",
            category="Run",
            labels={"table": "jobs"},
        ),
        steps=report(
            "results/tables/steps.csv",
            caption="../workflow/report/steps.rst",
            category="Run",
            labels={"table": "time and memory by step"},
        ),
        versions=report(
            "results/tables/versions.csv",
            caption="../workflow/report/versions.rst",
            category="Run",
            labels={"table": "versions and devices"},
        ),
    log:
        "logs/tables/jobs.log",
    benchmark:
        "logs/tables/jobs.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1000),
        runtime=10,
    script:
        "../workflow/scripts/jobs.py"
