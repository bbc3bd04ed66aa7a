# The best model for few labels, and how its error falls with their number.


rule learning_curve:
    input:
        structures=of(plan.learning, "structures"),
        labels=of(plan.learning, "labels"),
        split=of(plan.learning, "split"),
        encoders=of(plan.learning, "encoders"),
    output:
        table=paths.LEARNING_CURVE,
        rejected=paths.rejections(paths.LEARNING_CURVE),
    log:
        paths.log(paths.LEARNING_CURVE),
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=720,
    params:
        code=code("learning_curve"),
        settings=of(plan.learning, "fitted"),
        draws=of(plan.learning, "draws"),
        encoder_sets=of(plan.learning, "encoder_sets"),
        task=of(plan.learning, "task"),
        largest=of(plan.learning, "largest"),
        limits=config["limits"],
    script:
        "../workflow/scripts/learning_curve.py"


rule fit:
    input:
        structures=of(plan.learning, "structures"),
        labels=of(plan.learning, "labels"),
        encoders=of(plan.learning, "first_encoders"),
    output:
        fit=f"{paths.FEW_LABELS}/fit/fit.json",
        arrays=f"{paths.FEW_LABELS}/fit/fit.safetensors",
        arms=f"{paths.FEW_LABELS}/fit/arms.csv",
        predictions=f"{paths.FEW_LABELS}/fit/predictions.csv",
        report=f"{paths.FEW_LABELS}/fit/report.md",
        rejected=f"{paths.FEW_LABELS}/fit/refused.csv",
    log:
        f"logs/few_labels/{{experiment}}/fit.log",
    conda:
        "../envs/cpu.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=720,
    params:
        code=code("fit"),
        settings=of(plan.learning, "fitted"),
        saved=of(plan.learning, "saved"),
        task=of(plan.learning, "task"),
        largest=of(plan.learning, "largest"),
        unit=of(plan.learning, "unit"),
        limits=config["limits"],
    script:
        "../workflow/scripts/fit.py"


rule few_labels_figure:
    input:
        curves=[one.curve for one in plan.learned],
    output:
        **figure("few_labels", "few labels"),
        table=table("few_labels", "figure few labels", "few_labels_table"),
    log:
        "logs/figures/few_labels.log",
    conda:
        "../envs/cpu.yaml"
    params:
        code=code("few_labels"),
        titles=[one.name.replace("_", " ") for one in plan.learned],
        units=[one.unit for one in plan.learned],
    script:
        "../workflow/scripts/few_labels.py"


rule few_labels:
    input:
        rules.few_labels_figure.output if plan.learned else [],
        [one.fit for one in plan.learned],
