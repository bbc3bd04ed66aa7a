# From crystals to trained Site-Nets, tables and figures.
#
#   snakemake --cores 8 --resources gpu=1                     everything in config.yaml
#   snakemake --cores 8 --configfile config/own_cifs.yaml     another configuration
#   snakemake results/figures/fig7.pdf --cores 2              one file and what it needs


# Laid over the config.yaml beside this file, which is always read (rules/common.smk).
if os.path.exists("config.yaml"):

    configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/report.smk"


report: "workflow/report/workflow.rst"


# GPUs are counted per machine: a cluster gives every job its own.
resource_scopes:
    gpu="local",


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    task="[A-Za-z0-9_-]+",
    fold=r"(\.fold\d+)?",
    variant="[A-Za-z0-9_-]+",
    n=r"\d+",
    seed=r"\d+",
    pretraining="[A-Za-z0-9_-]+",
    part=r"\d{3}",
    experiment="[A-Za-z0-9_-]+",
    kind="[A-Za-z0-9_-]+",
    number=r"\d+",
    search="[A-Za-z0-9_-]+",
    arm="random|infomax|supervised",
    labels=r"\d+",
    representation="[a-z_]+",
    descriptor="ofm|xrd",


include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/supervised.smk"
include: "rules/attention.smk"
include: "rules/figures.smk"
include: "rules/pretrain.smk"
include: "rules/transfer.smk"
include: "rules/representation.smk"
include: "rules/few_labels.smk"
include: "rules/encoders.smk"
include: "rules/tune.smk"


rule infomax:
    input:
        rules.dim_fig6.output,
        rules.transfer_figures.input,
        rules.representation_figures.input,


include: "rules/record.smk"


rule all:
    default_target: True
    input:
        rules.jobs.input,
        rules.jobs.output,
        rules.pages.output,
