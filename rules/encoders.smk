# Trained encoders beside untrained ones and descriptors, where labels are few.


rule encoder_descriptors:
    input:
        structures=rules.collect.output.structures,
        splits=of(plan.compared_splits),
    output:
        table=paths.ENCODER_DESCRIPTORS,
        rejected=paths.rejections(paths.ENCODER_DESCRIPTORS),
    log:
        paths.log(paths.ENCODER_DESCRIPTORS),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        runtime=600,
    params:
        code=code("encoder_descriptors"),
        settings=plan.drawn_for_encoders,
        limits=config["limits"],
    script:
        "../workflow/scripts/encoder_descriptors.py"


rule encoder_vectors:
    input:
        weights=of(plan.encoder, "weights"),
        description=of(plan.encoder, "description"),
        structures=rules.collect.output.structures,
        drawn=paths.ENCODER_DESCRIPTORS,
    output:
        table=paths.ENCODER_VECTORS,
    log:
        paths.log(paths.ENCODER_VECTORS),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        mem_mb=memory(8000),
        runtime=120,
    params:
        code=code("encoder_vectors"),
        limits=config["limits"],
    script:
        "../workflow/scripts/encoder_vectors.py"


rule descriptor_errors:
    input:
        structures=of(plan.compared_task, "structures"),
        labels=of(plan.compared_task, "labels"),
        split=of(plan.compared_task, "split"),
        descriptors=of(plan.compared_task, "descriptors"),
    output:
        table=paths.DESCRIPTOR_ERRORS,
    log:
        paths.log(paths.DESCRIPTOR_ERRORS),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        runtime=240,
    params:
        code=code("encoder_errors"),
        settings=of(plan.compared_task, "settings"),
    script:
        "../workflow/scripts/encoder_errors.py"


rule encoder_errors:
    input:
        structures=of(plan.compared_task, "structures"),
        labels=of(plan.compared_task, "labels"),
        split=of(plan.compared_task, "split"),
        descriptors=of(plan.compared_task, "descriptors"),
        weights=of(plan.encoder, "weights"),
        vectors=paths.ENCODER_VECTORS,
    output:
        table=paths.ENCODER_ERRORS,
    log:
        paths.log(paths.ENCODER_ERRORS),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        runtime=240,
    params:
        code=code("encoder_errors"),
        settings=of(plan.compared_task, "settings"),
    script:
        "../workflow/scripts/encoder_errors.py"


rule encoders_figure:
    input:
        [path for one in plan.compared_tasks for path in one.errors],
    output:
        **figure("encoders", "encoders"),
        table=table("encoders", "figure encoders", "encoders_table"),
        tests=table("encoders_tests", "figure encoders, tests", "encoders_tests"),
    log:
        "logs/figures/encoders.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("encoders"),
        titles=[one.title for one in plan.compared_tasks],
        units=[one.unit for one in plan.compared_tasks],
        names=[names for one in plan.compared_tasks for names in one.names],
    script:
        "../workflow/scripts/encoders.py"


rule encoders:
    input:
        rules.encoders_figure.output if plan.compared and plan.compared_tasks else [],
