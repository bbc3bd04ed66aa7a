# Training on few labels from random, pre-trained and otherwise trained weights.


rule transfer:
    input:
        encoder=transfer_encoder,
        structures=of_experiment("results/{dataset}/structures.parquet"),
        split=of_experiment("results/{dataset}/splits/{task}.csv"),
        shards=experiment_shards,
        code=code("train/transfer.py", "splits/label_masks.py", "train/loop.py"),
    output:
        table="results/transfer/{experiment}/{arm}/labels{labels}.parquet",
    log:
        "logs/transfer/{experiment}/{arm}/labels{labels}.log",
    benchmark:
        "logs/transfer/{experiment}/{arm}/labels{labels}.tsv"
    conda:
        "../envs/cuda.yaml"
    threads: 12
    resources:
        gpu=0,
        mem_mb=memory(16000),
        runtime=720,
    params:
        section=transfer_section,
        column=experiment_value("task"),
        unit=transfer_unit,
        n_atoms=experiment_value("n"),
    script:
        "../workflow/scripts/transfer.py"


rule dim_fig7:
    input:
        errors=of_transfers(experiments("main")),
        code=code(
            "plots/dim_fig7.py", "plots/box_plots.py", "plots/style.py", "analysis/paired_tests.py"
        ),
    output:
        pdf="results/figures/dim_fig7.pdf",
        png=figure("results/figures/dim_fig7.png", "DIM  7, transfer"),
        data=figure("results/figures/dim_fig7.parquet", "DIM  7, transfer"),
        table=table("results/tables/dim_fig7.csv", "figure DIM  7, transfer", "dim_fig7_table"),
    log:
        "logs/figures/dim_fig7.log",
    benchmark:
        "logs/figures/dim_fig7.tsv"
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
    script:
        "../workflow/scripts/dim_fig7.py"


rule dim_figS1:
    input:
        transfer=of_transfers(experiments("main")),
        representations=of_representations(experiments("main"), compared_representations()),
        code=code(
            "plots/dim_fig13_s1.py",
            "plots/dim_fig7.py",
            "plots/dim_fig8_11.py",
            "plots/box_plots.py",
            "plots/style.py",
            "analysis/paired_tests.py",
        ),
    output:
        pdf="results/figures/dim_figS1.pdf",
        png=figure("results/figures/dim_figS1.png", "DIM S1, transfer and representations"),
        data=figure("results/figures/dim_figS1.parquet", "DIM S1, transfer and representations"),
        table=table(
            "results/tables/dim_figS1.csv",
            "figure DIM S1, transfer and representations",
            "dim_joined_table",
        ),
    log:
        "logs/figures/dim_figS1.log",
    benchmark:
        "logs/figures/dim_figS1.tsv"
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
    script:
        "../workflow/scripts/dim_joined.py"


rule dim_fig13:
    input:
        transfer=of_transfers(experiments("phonons")),
        representations=of_representations(experiments("phonons"), compared_representations()),
        code=code(
            "plots/dim_fig13_s1.py",
            "plots/dim_fig7.py",
            "plots/dim_fig8_11.py",
            "plots/box_plots.py",
            "plots/style.py",
            "analysis/paired_tests.py",
        ),
    output:
        pdf="results/figures/dim_fig13.pdf",
        png=figure("results/figures/dim_fig13.png", "DIM 13, phonons"),
        data=figure("results/figures/dim_fig13.parquet", "DIM 13, phonons"),
        table=table("results/tables/dim_fig13.csv", "figure DIM 13, phonons", "dim_joined_table"),
    log:
        "logs/figures/dim_fig13.log",
    benchmark:
        "logs/figures/dim_fig13.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=10,
    params:
        titles=experiment_titles(experiments("phonons")),
        units=experiment_units(experiments("phonons")),
    script:
        "../workflow/scripts/dim_joined.py"


rule transfer_figures:
    input:
        [
            rules.dim_fig7.output + rules.dim_figS1.output if experiments("main") else [],
            rules.dim_fig13.output if experiments("phonons") else [],
        ],
