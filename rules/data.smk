# Crystals and labels from their source into one table; the split of each task.


rule collect:
    input:
        source=local(of(plan.dataset, "source_files")),
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
        section=of(plan.dataset, "source"),
        limits=config["limits"],
    script:
        "../workflow/scripts/collect.py"


rule split:
    input:
        structures=rules.collect.output.structures,
    output:
        split=paths.SPLIT,
        report=paths.SPLIT_REPORT,
    log:
        paths.log(paths.SPLIT),
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("split"),
        section=of(plan.dataset, "split_options"),
    script:
        "../workflow/scripts/split.py"
