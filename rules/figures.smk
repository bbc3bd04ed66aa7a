# Tables and figures of all configured runs.


rule metrics:
    input:
        metrics=of_runs("metrics.json"),
        ensembles=of_ensembles("metrics.json"),
        code=code("train/summary.py"),
    output:
        csv=report(
            "results/tables/metrics.csv",
            caption="../workflow/report/metrics.rst",
            category="Tables",
            labels={"table": "errors of all runs"},
        ),
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


rule table1:
    input:
        descriptions=of_settings("model.json"),
        code=code("plots/table1.py"),
    output:
        csv=report(
            "results/tables/table1.csv",
            caption="../workflow/report/table1.rst",
            category="Tables",
            labels={"table": "1, settings"},
        ),
        markdown="results/tables/table1.md",
    log:
        "logs/tables/table1.log",
    benchmark:
        "logs/tables/table1.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        titles=titles(),
    script:
        "../workflow/scripts/table1.py"


rule fig5:
    input:
        history=of_settings("history.csv"),
        predictions=of_settings("predictions.parquet"),
        metrics=of_settings("metrics.json"),
        code=code("plots/fig5.py", "plots/style.py"),
    output:
        pdf="results/figures/fig5.pdf",
        png=report(
            "results/figures/fig5.png",
            caption="../workflow/report/fig5.rst",
            category="Figures",
            labels={"figure": "5, learning and parity"},
        ),
        data="results/figures/fig5.parquet",
    log:
        "logs/figures/fig5.log",
    benchmark:
        "logs/figures/fig5.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        titles=titles(),
        units=units(),
    script:
        "../workflow/scripts/fig5.py"


rule fig7:
    input:
        long_range=of_settings("long_range.parquet"),
        complexity=complexity_of_settings(),
        code=code("plots/fig7.py", "plots/style.py", "analysis/statistics.py"),
    output:
        pdf="results/figures/fig7.pdf",
        png=report(
            "results/figures/fig7.png",
            caption="../workflow/report/fig7.rst",
            category="Figures",
            labels={"figure": "7, range of attention"},
        ),
        data="results/figures/fig7.parquet",
        table=report(
            "results/tables/fig7.csv",
            caption="../workflow/report/fig7_table.rst",
            category="Tables",
            labels={"table": "correlations of figure 7"},
        ),
    log:
        "logs/figures/fig7.log",
    benchmark:
        "logs/figures/fig7.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        titles=titles(),
    script:
        "../workflow/scripts/fig7.py"


rule tables:
    input:
        rules.metrics.output,
        rules.table1.output,
        rules.fig7.output.table,


rule figures:
    input:
        rules.fig5.output,
        rules.fig7.output,
