# Where the results come from: refused crystals, jobs, versions.


rule rejections:
    input:
        lists=rejection_lists(),
        code=code("provenance/rejections.py"),
    output:
        table=table("results/tables/rejections.csv", "refused crystals", "rejections", "Run"),
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
        code=code("provenance/trace.py", "provenance/job_tables.py"),
    output:
        jobs=table("results/tables/jobs.csv", "jobs", "jobs", "Run"),
        steps=table("results/tables/steps.csv", "time and memory by step", "steps", "Run"),
        versions=table("results/tables/versions.csv", "versions and devices", "versions", "Run"),
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


rule pages:
    input:
        tables=reported_tables([*rules.jobs.input.results, *rules.jobs.output]),
        code=code("plots/pages.py"),
    output:
        [page(path) for path in reported_tables([*rules.jobs.input.results, *rules.jobs.output])],
    log:
        "logs/tables/pages.log",
    benchmark:
        "logs/tables/pages.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    script:
        "../workflow/scripts/pages.py"
