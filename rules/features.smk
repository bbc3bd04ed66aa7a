# Crystals to merged pairs of a supercell of at most N atoms, in shards.


rule featurise:
    input:
        structures="results/{dataset}/structures.parquet",
        code=code("crystal", "shards/featurise_shard.py", "shards/schema.py"),
    output:
        shard="results/{dataset}/n{n}/shards/part-{part}.parquet",
        rejected="results/{dataset}/n{n}/shards/part-{part}.rejected.csv",
    log:
        "logs/{dataset}/n{n}/shards/part-{part}.log",
    benchmark:
        "logs/{dataset}/n{n}/shards/part-{part}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=240,
    params:
        features=feature_section,
        parts=shard_count,
        max_rejected_fraction=max_rejected_fraction,
    script:
        "../workflow/scripts/featurise.py"
