# Tables and figures of all configured runs.


rule metrics:
    input:
        metrics=plan.runs.files("metrics.json"),
        ensembles=[ensemble.file("metrics.json") for ensemble in plan.ensembles],
        baselines=plan.runs.baselines,
        splits=plan.runs.split_reports,
    output:
        csv=table("metrics", "errors of all runs", "metrics"),
        markdown=f"{paths.TABLES}/metrics.md",
    log:
        "logs/tables/metrics.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("metrics"),
    script:
        "../workflow/scripts/metrics.py"


rule table1:
    input:
        descriptions=plan.shown.files("model.json"),
    output:
        csv=table("table1", "table 1, settings", "table1"),
        markdown=f"{paths.TABLES}/table1.md",
    log:
        "logs/tables/table1.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("table1"),
        titles=plan.shown.titles,
    script:
        "../workflow/scripts/table1.py"


rule table2:
    input:
        metrics=plan.runs.files("metrics.json"),
    output:
        csv=table("table2", "table 2, errors by supercell", "table2"),
        markdown=f"{paths.TABLES}/table2.md",
    log:
        "logs/tables/table2.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("table2"),
    script:
        "../workflow/scripts/table2.py"


rule table3:
    input:
        metrics=plan.runs.files("metrics.json"),
    output:
        csv=table("table3", "table 3, errors by training set", "table3"),
        markdown=f"{paths.TABLES}/table3.md",
    log:
        "logs/tables/table3.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("table3"),
    script:
        "../workflow/scripts/table3.py"


rule fig5:
    input:
        history=plan.shown.files("history.csv"),
        predictions=plan.shown.files("predictions.parquet"),
        metrics=plan.shown.files("metrics.json"),
    output:
        **figure("fig5", "5, learning and parity"),
    log:
        "logs/figures/fig5.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("fig5"),
        titles=plan.shown.titles,
        labels=plan.shown.labels,
        units=plan.shown.units,
    script:
        "../workflow/scripts/fig5.py"


rule fig6:
    input:
        histograms=plan.repeated.files("attention.parquet"),
        tables=plan.repeated.files("attention.csv"),
    output:
        **figure("fig6", "6, attention and distance"),
        table=table("fig6", "figure 6, what each head attends to", "fig6_table"),
    log:
        "logs/figures/fig6.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("fig6"),
        titles=plan.repeated.titles,
        seeds=plan.repeated.seeds,
    script:
        "../workflow/scripts/fig6.py"


rule fig7:
    input:
        long_range=plan.repeated.files("long_range.parquet"),
        complexity=plan.repeated.complexity,
    output:
        **figure("fig7", "7, range of attention"),
        table=table("fig7", "figure 7, correlations", "fig7_table"),
        tasks=table("fig7_tasks", "figure 7, range of two tasks' attention", "fig7_tasks"),
    log:
        "logs/figures/fig7.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("fig7"),
        titles=plan.repeated.titles,
        datasets=plan.repeated.datasets,
        seeds=plan.repeated.seeds,
    script:
        "../workflow/scripts/fig7.py"


rule range:
    input:
        long_range=plan.repeated.files("long_range.parquet"),
        reach=plan.repeated.files("reach.parquet"),
        heads=plan.repeated.files("attention.csv"),
        metrics=plan.repeated.files("metrics.json"),
        restricted=[one.run.file("metrics.json") for one in plan.restricted],
    output:
        **figure("range", "range of networks and of labels"),
        table=table("range", "range of networks, all measures", "range_table"),
        readings=table("range_measures", "range, which measure reads it", "range_measures"),
        tasks=table("range_tasks", "range, two tasks compared", "range_tasks"),
    log:
        "logs/figures/range.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("range"),
        titles=plan.repeated.titles,
        seeds=plan.repeated.seeds,
        known_ranges=plan.repeated.known_ranges,
        cutoffs=[one.cutoff for one in plan.restricted],
        unrestricted=[one.unrestricted for one in plan.restricted],
    script:
        "../workflow/scripts/range.py"


rule invariance_figure:
    input:
        changes=plan.shown.files("invariance.parquet"),
    output:
        **figure("invariance", "other descriptions of a crystal"),
        table=table("invariance", "other descriptions of a crystal", "invariance_table"),
    log:
        "logs/figures/invariance.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("invariance_figure"),
        titles=plan.shown.titles,
        units=plan.shown.units,
    script:
        "../workflow/scripts/invariance_figure.py"


rule supercells_figure:
    input:
        measures=[crystals.supercells for crystals in plan.featurised_sets],
    output:
        **figure("supercells", "supercells"),
        table=table("supercells", "supercells", "supercells_table"),
    log:
        "logs/figures/supercells.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("supercells_figure"),
        titles=[crystals.title for crystals in plan.featurised_sets],
        sizes=[crystals.n for crystals in plan.featurised_sets],
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
        rules.range.output.table,
        rules.range.output.readings,
        rules.range.output.tasks,
        rules.invariance_figure.output.table,
        rules.supercells_figure.output.table,


rule figures:
    input:
        rules.fig5.output,
        rules.fig7.output,
        rules.fig6.output,
        rules.range.output,
        rules.invariance_figure.output,
        rules.supercells_figure.output,
