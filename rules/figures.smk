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
        mem_mb=memory(1000),
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
        mem_mb=memory(1000),
        runtime=10,
    params:
        titles=titles(),
    script:
        "../workflow/scripts/table1.py"


rule table2:
    input:
        metrics=of_runs("metrics.json"),
        code=code("plots/tables23.py", "train/summary.py"),
    output:
        csv=report(
            "results/tables/table2.csv",
            caption="../workflow/report/table2.rst",
            category="Tables",
            labels={"table": "2, errors by supercell"},
        ),
        markdown="results/tables/table2.md",
    log:
        "logs/tables/table2.log",
    benchmark:
        "logs/tables/table2.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1000),
        runtime=10,
    script:
        "../workflow/scripts/table2.py"


rule table3:
    input:
        metrics=of_runs("metrics.json"),
        code=code("plots/tables23.py", "train/summary.py"),
    output:
        csv=report(
            "results/tables/table3.csv",
            caption="../workflow/report/table3.rst",
            category="Tables",
            labels={"table": "3, errors by training set"},
        ),
        markdown="results/tables/table3.md",
    log:
        "logs/tables/table3.log",
    benchmark:
        "logs/tables/table3.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1000),
        runtime=10,
    script:
        "../workflow/scripts/table3.py"


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
        mem_mb=memory(2000),
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
        code=code("plots/fig7.py", "plots/style.py", "analysis/statistics.py", "analysis/paired.py"),
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
        tasks=report(
            "results/tables/fig7_tasks.csv",
            caption="../workflow/report/fig7_tasks.rst",
            category="Tables",
            labels={"table": "range of two tasks' attention"},
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
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=titles(),
    script:
        "../workflow/scripts/fig7.py"


rule fig6:
    input:
        histograms=of_settings("attention.parquet"),
        tables=of_settings("attention.csv"),
        code=code("plots/fig6.py", "plots/style.py"),
    output:
        pdf="results/figures/fig6.pdf",
        png=report(
            "results/figures/fig6.png",
            caption="../workflow/report/fig6.rst",
            category="Figures",
            labels={"figure": "6, attention and distance"},
        ),
        data="results/figures/fig6.parquet",
        table=report(
            "results/tables/fig6.csv",
            caption="../workflow/report/fig6_table.rst",
            category="Tables",
            labels={"table": "what each head attends to"},
        ),
    log:
        "logs/figures/fig6.log",
    benchmark:
        "logs/figures/fig6.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=titles(),
    script:
        "../workflow/scripts/fig6.py"


rule invariance_figure:
    input:
        changes=of_settings("invariance.parquet"),
        code=code("plots/invariance.py", "plots/style.py", "analysis/invariance.py"),
    output:
        pdf="results/figures/invariance.pdf",
        png=report(
            "results/figures/invariance.png",
            caption="../workflow/report/invariance.rst",
            category="Figures",
            labels={"figure": "other descriptions of a crystal"},
        ),
        data="results/figures/invariance.parquet",
        table=report(
            "results/tables/invariance.csv",
            caption="../workflow/report/invariance_table.rst",
            category="Tables",
            labels={"table": "changes with the description"},
        ),
    log:
        "logs/figures/invariance.log",
    benchmark:
        "logs/figures/invariance.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=titles(),
        units=units(),
    script:
        "../workflow/scripts/invariance_figure.py"


rule supercells_figure:
    input:
        measures=supercells_of_sets(),
        code=code("plots/supercells.py", "plots/style.py", "analysis/supercells.py"),
    output:
        pdf="results/figures/supercells.pdf",
        png=report(
            "results/figures/supercells.png",
            caption="../workflow/report/supercells.rst",
            category="Figures",
            labels={"figure": "supercells"},
        ),
        data="results/figures/supercells.parquet",
        table=report(
            "results/tables/supercells.csv",
            caption="../workflow/report/supercells_table.rst",
            category="Tables",
            labels={"table": "supercells"},
        ),
    log:
        "logs/figures/supercells.log",
    benchmark:
        "logs/figures/supercells.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=set_titles(),
        sizes=[n for _, n in featurised_sets()],
    script:
        "../workflow/scripts/supercells_figure.py"


rule tables:
    input:
        rules.metrics.output,
        rules.table1.output,
        rules.table2.output,
        rules.table3.output,
        rules.fig7.output.table,
        rules.fig7.output.tasks,
        rules.fig6.output.table,
        rules.invariance_figure.output.table,
        rules.supercells_figure.output.table,


rule figures:
    input:
        rules.fig5.output,
        rules.fig7.output,
        rules.fig6.output,
        rules.invariance_figure.output,
        rules.supercells_figure.output,
