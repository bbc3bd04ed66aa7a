# Tables and figures of all configured runs.


rule metrics:
    input:
        metrics=of_runs("metrics.json"),
        ensembles=of_ensembles("metrics.json"),
        code=code("evaluate/metrics_table.py"),
    output:
        csv=table("results/tables/metrics.csv", "errors of all runs", "metrics"),
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
        csv=table("results/tables/table1.csv", "table 1, settings", "table1"),
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
        code=code("plots/table2_3.py", "evaluate/metrics_table.py"),
    output:
        csv=table("results/tables/table2.csv", "table 2, errors by supercell", "table2"),
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
        code=code("plots/table2_3.py", "evaluate/metrics_table.py"),
    output:
        csv=table("results/tables/table3.csv", "table 3, errors by training set", "table3"),
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
        code=code("plots/fig5.py", "plots/style.py", "evaluate/rounding.py"),
    output:
        pdf="results/figures/fig5.pdf",
        png=figure("results/figures/fig5.png", "5, learning and parity"),
        data=figure("results/figures/fig5.parquet", "5, learning and parity"),
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
        code=code(
            "plots/fig7.py",
            "plots/style.py",
            "analysis/correlation.py",
            "analysis/paired_tests.py",
        ),
    output:
        pdf="results/figures/fig7.pdf",
        png=figure("results/figures/fig7.png", "7, range of attention"),
        data=figure("results/figures/fig7.parquet", "7, range of attention"),
        table=table("results/tables/fig7.csv", "figure 7, correlations", "fig7_table"),
        tasks=table(
            "results/tables/fig7_tasks.csv",
            "figure 7, range of two tasks' attention",
            "fig7_tasks",
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
        png=figure("results/figures/fig6.png", "6, attention and distance"),
        data=figure("results/figures/fig6.parquet", "6, attention and distance"),
        table=table("results/tables/fig6.csv", "figure 6, what each head attends to", "fig6_table"),
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
        png=figure("results/figures/invariance.png", "other descriptions of a crystal"),
        data=figure("results/figures/invariance.parquet", "other descriptions of a crystal"),
        table=table(
            "results/tables/invariance.csv", "other descriptions of a crystal", "invariance_table"
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
        png=figure("results/figures/supercells.png", "supercells"),
        data=figure("results/figures/supercells.parquet", "supercells"),
        table=table("results/tables/supercells.csv", "supercells", "supercells_table"),
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
