# What the attention of trained models reaches, and how complex the crystals are.


rule complexity:
    input:
        structures=rules.collect.output.structures,
    output:
        table=paths.COMPLEXITY,
        rejected=paths.rejections(paths.COMPLEXITY),
    log:
        paths.log(paths.COMPLEXITY),
    conda:
        "../envs/cpu.yaml"
    threads: beside(8)
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        code=code("complexity"),
        limits=config["limits"],
    script:
        "../workflow/scripts/complexity.py"


rule attention:
    input:
        weights=rules.train.output.weights,
        description=rules.train.output.description,
        shards=of(plan.run, "shards"),
        predictions=rules.train.output.predictions,
    output:
        histogram=f"{paths.RUN}/attention.parquet",
        table=f"{paths.RUN}/attention.csv",
        long_range=f"{paths.RUN}/long_range.parquet",
        reach=f"{paths.RUN}/reach.parquet",
    log:
        paths.log(f"{paths.RUN}/attention"),
    conda:
        "../envs/cuda.yaml"
    threads: beside(8)
    resources:
        gpu=1,
        mem_mb=memory(8000),
        runtime=60,
    params:
        code=code("attention"),
        batch_sites=of(plan.run, "batch_sites"),
        training=2000,
    script:
        "../workflow/scripts/attention.py"


rule invariance:
    input:
        weights=rules.train.output.weights,
        description=rules.train.output.description,
        structures=rules.collect.output.structures,
        split=of(plan.run, "split"),
    output:
        table=f"{paths.RUN}/invariance.parquet",
    log:
        paths.log(f"{paths.RUN}/invariance"),
    conda:
        "../envs/cpu.yaml"
    threads: beside(4)
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        code=code("invariance"),
        crystals=100,
        limits=config["limits"],
    script:
        "../workflow/scripts/invariance.py"


rule supercells:
    input:
        structures=rules.collect.output.structures,
    output:
        table=paths.SUPERCELLS,
    log:
        paths.log(paths.SUPERCELLS),
    conda:
        "../envs/cpu.yaml"
    threads: beside(4)
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        code=code("supercells"),
        crystals=1000,
        tolerance=config["features"]["primitive_tolerance"],
        limits=config["limits"],
    script:
        "../workflow/scripts/supercells.py"
