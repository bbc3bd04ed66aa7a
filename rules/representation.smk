# What the learned representation says about a property, beside descriptors; maps of it.


rule descriptors:
    input:
        structures=rules.collect.output.structures,
        splits=of(plan.experiment_splits),
    output:
        table=paths.DESCRIPTORS,
        rejected=paths.rejections(paths.DESCRIPTORS),
    log:
        paths.log(paths.DESCRIPTORS),
    conda:
        "../envs/cpu.yaml"
    resources:
        runtime=600,
    params:
        code=code("descriptors"),
        crystals=plan.drawn_crystals,
        parts=of(plan.dataset, "parts"),
        limits=config["limits"],
    script:
        "../workflow/scripts/descriptors.py"


rule representation:
    input:
        vectors=of(plan.representation, "vectors"),
        rejected=of(plan.experiment, "descriptor_rejections"),
        labels=of(plan.experiment, "labels"),
        split=of(plan.experiment, "split"),
        shards=of(plan.experiment, "shards"),
    output:
        table=paths.REPRESENTATION,
    log:
        paths.log(paths.REPRESENTATION),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        mem_mb=memory(12000),
        runtime=240,
    params:
        code=code("representation"),
        settings=plan.representation_options,
        column=of(plan.experiment, "task"),
        n_atoms=of(plan.experiment, "n"),
    script:
        "../workflow/scripts/representation.py"


rule map:
    input:
        embeddings=of(plan.representation, "vectors"),
        labels=of(plan.experiment, "labels"),
        split=of(plan.experiment, "split"),
    output:
        points=paths.MAP,
        scores=paths.SILHOUETTES,
    log:
        paths.log(paths.MAP),
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=120,
    params:
        code=code("map"),
        settings=plan.map_options,
        column=of(plan.experiment, "task"),
    script:
        "../workflow/scripts/map.py"


rule dim_fig8:
    input:
        errors=plan.main.errors(plan.representations),
    output:
        **figure("dim_fig8", "DIM  8, representations"),
        table=table("dim_fig8", "figure DIM  8, representations", "dim_fig8_table"),
    log:
        "logs/figures/dim_fig8.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_fig8"),
        titles=plan.main.titles,
        units=plan.main.units,
        representations=len(plan.representations),
        control="untrained",
    script:
        "../workflow/scripts/dim_fig8.py"


use rule dim_fig8 as dim_fig11 with:
    input:
        errors=plan.ablated.errors(["infomax", "without_synthetic", "untrained"]),
    output:
        **figure("dim_fig11", "DIM 11, without synthetic falses"),
        table=table("dim_fig11", "figure DIM 11, without synthetic falses", "dim_fig11_table"),
    log:
        "logs/figures/dim_fig11.log",
    params:
        titles=plan.ablated.titles,
        units=plan.ablated.units,
        representations=3,
        control="without_synthetic",


rule dim_fig9:
    input:
        maps=plan.main.maps,
        scores=plan.main.silhouettes,
    output:
        **figure("dim_fig9", "DIM  9, maps: halogen and metal"),
        table=table("dim_fig9", "figure DIM  9, silhouettes", "dim_fig9_table"),
    log:
        "logs/figures/dim_fig9.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_fig9"),
        titles=plan.main.titles,
    script:
        "../workflow/scripts/dim_fig9.py"


rule dim_fig10:
    input:
        maps=plan.main.maps,
    output:
        **figure("dim_fig10", "DIM 10, maps: property"),
    log:
        "logs/figures/dim_fig10.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("dim_fig10"),
        titles=plan.main.titles,
        labels=plan.main.properties,
        units=plan.main.units,
    script:
        "../workflow/scripts/dim_fig10.py"


rule representation_figures:
    input:
        [
            (
                rules.dim_fig8.output + rules.dim_fig9.output + rules.dim_fig10.output
                if plan.main
                else []
            ),
            rules.dim_fig11.output if plan.ablated else [],
        ],
