# Where the results come from: rejected crystals, jobs, versions.


rule rejections:
    input:
        lists=plan.rejections,
    output:
        table=table("rejections", "refused crystals", "rejections", "Run"),
    log:
        "logs/tables/rejections.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("rejections"),
    script:
        "../workflow/scripts/rejections.py"


rule jobs:
    input:
        rules.tables.input,
        rules.figures.input,
        rules.infomax.input if plan.experiments else [],
        rules.rejections.output,
    output:
        jobs=table("jobs", "jobs", "jobs", "Run"),
        steps=table("steps", "time and memory by step", "steps", "Run"),
        versions=table("versions", "versions and devices", "versions", "Run"),
    log:
        "logs/tables/jobs.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("jobs"),
    script:
        "../workflow/scripts/jobs.py"


REPORTED = tables_among([*rules.jobs.input, *rules.jobs.output])


rule pages:
    input:
        tables=REPORTED,
    output:
        [shown(path.replace(".csv", ".html"), "page", **TABLES[path]) for path in REPORTED],
    log:
        "logs/tables/pages.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("pages"),
    script:
        "../workflow/scripts/pages.py"


if workflow.is_main_process:
    warning = replaced(config, Path("logs"), [*rules.jobs.input, *rules.jobs.output])
    if warning:
        logger.warning(warning)
