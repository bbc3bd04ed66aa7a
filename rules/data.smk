# Crystals from their source, the labels of each task, its split, and what baselines need. Files of
# the user are read anew when their content changed, whatever their time is.


rule collect:
    input:
        source=ancient(local(of(plan.dataset, "source_files"))),
    output:
        structures=paths.STRUCTURES,
        rejected=paths.rejections(paths.STRUCTURES),
    log:
        paths.log(f"{paths.DATASET}/collect"),
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        code=lambda wildcards: code("collect", of(plan.dataset, "module")(wildcards)),
        source=of(plan.dataset, "made_from"),
        limits=config["limits"],
    script:
        "../workflow/scripts/collect.py"


# Labels and splits first: what is wrong with them is told before the long jobs begin.
rule labels:
    input:
        structures=rules.collect.output.structures,
        source=ancient(local(of(plan.dataset, "source_files"))),
    output:
        labels=paths.LABELS,
        rejected=paths.rejections(paths.LABELS),
    log:
        paths.log(paths.LABELS),
    priority: 10
    conda:
        "../envs/cpu.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        code=lambda wildcards: code("labels", of(plan.dataset, "module")(wildcards)),
        source=of(plan.labels_made_from),
    script:
        "../workflow/scripts/labels.py"


rule split:
    input:
        labels=rules.labels.output.labels,
        structures=rules.collect.output.structures,
        features=of(plan.dataset, "structure_types"),
        held_out=of(plan.dataset, "held_out_structures"),
    output:
        split=paths.SPLIT,
        report=paths.SPLIT_REPORT,
    log:
        paths.log(paths.SPLIT),
    priority: 10
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("split"),
        section=of(plan.dataset, "split_options"),
        output=of(plan.output),
    script:
        "../workflow/scripts/split.py"


rule baseline_features:
    input:
        structures=rules.collect.output.structures,
    output:
        table=paths.BASELINE_FEATURES,
    log:
        paths.log(paths.BASELINE_FEATURES),
    priority: 1
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        mem_mb=memory(4000),
        runtime=240,
    params:
        code=code("baseline_features"),
    script:
        "../workflow/scripts/baseline_features.py"
