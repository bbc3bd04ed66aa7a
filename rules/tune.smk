# Search for hyperparameters; nothing else depends on it. Needs `make tune` or requirements-tune.lock.


rule tune:
    input:
        of_searches("best.yaml"),
        of_searches("search.png"),


rule search:
    input:
        structures=search_structures,
        shards=search_shards,
        split=search_split,
        code=code("tune", "train/supervised.py", "train/task.py", "train/loop.py"),
    output:
        best="results/tuning/{search}/best.yaml",
        trials="results/tuning/{search}/trials.csv",
        curves="results/tuning/{search}/curves.parquet",
    log:
        "logs/tuning/{search}/search.log",
    benchmark:
        "logs/tuning/{search}/search.tsv"
    conda:
        "../envs/tune.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=memory(16000),
        runtime=2880,
    params:
        features=search_features,
        model=search_model,
        training=search_training,
        run=search_run,
        settings=search_settings,
    script:
        "../workflow/scripts/search.py"


rule search_figure:
    input:
        trials="results/tuning/{search}/trials.csv",
        curves="results/tuning/{search}/curves.parquet",
        code=code("plots/search.py", "plots/style.py"),
    output:
        pdf="results/tuning/{search}/search.pdf",
        png=report(
            "results/tuning/{search}/search.png",
            caption="../workflow/report/search.rst",
            category="Hyperparameter search",
            labels={"search": "{search}", "as": "picture"},
        ),
        data=report(
            "results/tuning/{search}/search.parquet",
            caption="../workflow/report/search.rst",
            category="Hyperparameter search",
            labels={"search": "{search}", "as": "table in Parquet"},
        ),
    log:
        "logs/tuning/{search}/search_figure.log",
    benchmark:
        "logs/tuning/{search}/search_figure.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        run=search_run,
    script:
        "../workflow/scripts/search_figure.py"
