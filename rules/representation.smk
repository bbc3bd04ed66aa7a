# What the learned representation says about a property, beside descriptors; maps of it.


rule descriptors:
    input:
        structures="results/{dataset}/structures.parquet",
        splits=experiment_splits,
        code=code("crystal/descriptors.py", "shards/descriptor_shard.py", "splits/draws.py"),
    output:
        table="results/{dataset}/descriptors/{descriptor}/part-{part}.parquet",
        rejected="results/{dataset}/descriptors/{descriptor}/part-{part}.rejected.csv",
    log:
        "logs/{dataset}/descriptors/{descriptor}/part-{part}.log",
    benchmark:
        "logs/{dataset}/descriptors/{descriptor}/part-{part}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=600,
    params:
        crystals=drawn_crystals(),
        parts=shard_count,
    script:
        "../workflow/scripts/descriptors.py"


rule representation:
    input:
        vectors=representation_vectors,
        rejected=descriptor_rejections,
        structures=of_experiment("results/{dataset}/structures.parquet"),
        split=of_experiment("results/{dataset}/splits/{task}.csv"),
        shards=experiment_shards,
        code=code(
            "evaluate/representation.py",
            "splits/label_masks.py",
            "splits/draws.py",
            "shards/vectors.py",
        ),
    output:
        table="results/representation/{experiment}/{representation}.parquet",
    log:
        "logs/representation/{experiment}/{representation}.log",
    benchmark:
        "logs/representation/{experiment}/{representation}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        gpu=0,
        mem_mb=memory(12000),
        runtime=240,
    params:
        settings=representation_settings(),
        column=experiment_value("task"),
        n_atoms=experiment_value("n"),
    script:
        "../workflow/scripts/representation.py"


rule map:
    input:
        embeddings=representation_vectors,
        structures=of_experiment("results/{dataset}/structures.parquet"),
        split=of_experiment("results/{dataset}/splits/{task}.csv"),
        code=code("analysis/tsne.py", "splits/draws.py", "shards/vectors.py"),
    output:
        points="results/maps/{experiment}/{representation}.parquet",
        scores="results/maps/{experiment}/{representation}.csv",
    log:
        "logs/maps/{experiment}/{representation}.log",
    benchmark:
        "logs/maps/{experiment}/{representation}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(8000),
        runtime=120,
    params:
        settings=map_settings(),
        column=experiment_value("task"),
    script:
        "../workflow/scripts/map.py"


rule dim_fig8:
    input:
        errors=of_representations(experiments("main"), compared_representations()),
        code=code(
            "plots/dim_fig8_11.py",
            "plots/box_plots.py",
            "plots/style.py",
            "analysis/paired_tests.py",
        ),
    output:
        pdf="results/figures/dim_fig8.pdf",
        png=figure("results/figures/dim_fig8.png", "DIM  8, representations"),
        data=figure("results/figures/dim_fig8.parquet", "DIM  8, representations"),
        table=table(
            "results/tables/dim_fig8.csv", "figure DIM  8, representations", "dim_fig8_table"
        ),
    log:
        "logs/figures/dim_fig8.log",
    benchmark:
        "logs/figures/dim_fig8.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=experiment_titles(experiments("main")),
        units=experiment_units(experiments("main")),
        representations=len(compared_representations()),
        control="untrained",
    script:
        "../workflow/scripts/dim_fig8.py"


rule dim_fig11:
    input:
        errors=of_representations(ablated("main"), ["infomax", "without_synthetic", "untrained"]),
        code=code(
            "plots/dim_fig8_11.py",
            "plots/box_plots.py",
            "plots/style.py",
            "analysis/paired_tests.py",
        ),
    output:
        pdf="results/figures/dim_fig11.pdf",
        png=figure("results/figures/dim_fig11.png", "DIM 11, without synthetic falses"),
        data=figure("results/figures/dim_fig11.parquet", "DIM 11, without synthetic falses"),
        table=table(
            "results/tables/dim_fig11.csv",
            "figure DIM 11, without synthetic falses",
            "dim_fig11_table",
        ),
    log:
        "logs/figures/dim_fig11.log",
    benchmark:
        "logs/figures/dim_fig11.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=experiment_titles(ablated("main")),
        units=experiment_units(ablated("main")),
        representations=3,
        control="without_synthetic",
    script:
        "../workflow/scripts/dim_fig8.py"


rule dim_fig9:
    input:
        maps=of_maps("parquet"),
        scores=of_maps("csv"),
        code=code("plots/dim_fig9_10.py", "plots/style.py"),
    output:
        pdf="results/figures/dim_fig9.pdf",
        png=figure("results/figures/dim_fig9.png", "DIM  9, maps: halogen and metal"),
        data=figure("results/figures/dim_fig9.parquet", "DIM  9, maps: halogen and metal"),
        table=table("results/tables/dim_fig9.csv", "figure DIM  9, silhouettes", "dim_fig9_table"),
    log:
        "logs/figures/dim_fig9.log",
    benchmark:
        "logs/figures/dim_fig9.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=experiment_titles(experiments("main")),
    script:
        "../workflow/scripts/dim_fig9.py"


rule dim_fig10:
    input:
        maps=of_maps("parquet"),
        code=code("plots/dim_fig9_10.py", "plots/style.py"),
    output:
        pdf="results/figures/dim_fig10.pdf",
        png=figure("results/figures/dim_fig10.png", "DIM 10, maps: property"),
        data=figure("results/figures/dim_fig10.parquet", "DIM 10, maps: property"),
    log:
        "logs/figures/dim_fig10.log",
    benchmark:
        "logs/figures/dim_fig10.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=experiment_titles(experiments("main")),
        labels=experiment_tasks(experiments("main")),
        units=experiment_units(experiments("main")),
    script:
        "../workflow/scripts/dim_fig10.py"


rule representation_figures:
    input:
        [
            (
                [
                    rules.dim_fig8.output,
                    rules.dim_fig9.output,
                    rules.dim_fig10.output,
                ]
                if experiments("main")
                else []
            ),
            rules.dim_fig11.output if ablated("main") else [],
        ],
