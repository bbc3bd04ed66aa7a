# Search for hyperparameters; nothing else depends on it. Needs `make tune` or requirements-tune.lock.


rule tune:
    input:
        [search.file("best.yaml") for search in plan.searches],
        [search.file("search.png") for search in plan.searches],


rule search:
    input:
        labels=of(plan.search, "labels"),
        shards=of(plan.search, "shards"),
        split=of(plan.search, "split"),
        auxiliary=of(plan.search, "auxiliary_labels"),
        computed_targets=of(plan.search, "computed_targets"),
    output:
        best=f"{paths.SEARCH}/best.yaml",
        trials=f"{paths.SEARCH}/trials.csv",
        curves=f"{paths.SEARCH}/curves.parquet",
    log:
        paths.log(f"{paths.SEARCH}/search"),
    conda:
        "../envs/tune.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=memory(16000),
        runtime=2880,
    params:
        code=code("search"),
        features=of(plan.search, "features"),
        model=of(plan.search, "model"),
        training=of(plan.search, "training"),
        run=of(plan.search, "purpose"),
        settings=of(plan.search, "settings"),
    script:
        "../workflow/scripts/search.py"


SEARCHES = {"caption": "search", "category": "Hyperparameter search", "search": "{search}"}


rule search_figure:
    input:
        trials=rules.search.output.trials,
        curves=rules.search.output.curves,
    output:
        pdf=f"{paths.SEARCH}/search.pdf",
        png=shown(f"{paths.SEARCH}/search.png", "picture", **SEARCHES),
        data=shown(f"{paths.SEARCH}/search.parquet", "table in Parquet", **SEARCHES),
    log:
        paths.log(f"{paths.SEARCH}/search_figure"),
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("search_figure"),
        run=of(plan.search, "purpose"),
    script:
        "../workflow/scripts/search_figure.py"
