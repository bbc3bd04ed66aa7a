# Training on few labels from random, pre-trained and otherwise trained weights.


rule transfer:
    input:
        encoder=of(plan.transfer, "encoder"),
        labels=of(plan.experiment, "labels"),
        split=of(plan.experiment, "split"),
        shards=of(plan.experiment, "shards"),
    output:
        table=paths.TRANSFER,
    log:
        paths.log(paths.TRANSFER),
    priority: 2
    conda:
        "../envs/cuda.yaml"
    threads: beside(12)
    resources:
        mem_mb=memory(16000),
        runtime=720,
    params:
        code=code("transfer"),
        section=of(plan.transfer, "settings"),
        column=of(plan.experiment, "task"),
        unit=of(plan.experiment, "unit"),
        n_atoms=of(plan.experiment, "n"),
    script:
        "../workflow/scripts/transfer.py"


rule dim_fig7:
    input:
        errors=plan.main.transfers,
    output:
        **figure("dim_fig7", "DIM  7, transfer"),
        table=table("dim_fig7", "figure DIM  7, transfer", "dim_fig7_table"),
    log:
        "logs/figures/dim_fig7.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_fig7"),
        titles=plan.main.titles,
        units=plan.main.units,
    script:
        "../workflow/scripts/dim_fig7.py"


rule dim_figS1:
    input:
        transfer=plan.main.transfers,
        representations=plan.main.errors(plan.representations),
    output:
        **figure("dim_figS1", "DIM S1, transfer and representations"),
        table=table("dim_figS1", "figure DIM S1, transfer and representations", "dim_joined_table"),
    log:
        "logs/figures/dim_figS1.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_joined"),
        titles=plan.main.titles,
        units=plan.main.units,
    script:
        "../workflow/scripts/dim_joined.py"


use rule dim_figS1 as dim_fig13 with:
    input:
        transfer=plan.phonons.transfers,
        representations=plan.phonons.errors(plan.representations),
    output:
        **figure("dim_fig13", "DIM 13, phonons"),
        table=table("dim_fig13", "figure DIM 13, phonons", "dim_joined_table"),
    log:
        "logs/figures/dim_fig13.log",
    params:
        titles=plan.phonons.titles,
        units=plan.phonons.units,


rule transfer_figures:
    input:
        [
            rules.dim_fig7.output + rules.dim_figS1.output if plan.main else [],
            rules.dim_fig13.output if plan.phonons else [],
        ],
