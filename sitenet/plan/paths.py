"""Where results lie: each path of the pipeline, written once.

Names in braces are wildcards of the rules; `str.format` fills them in for a given entry.
"""

from pathlib import PurePosixPath

DATASET = "results/{dataset}"
STRUCTURES = f"{DATASET}/structures.parquet"
LABELS = f"{DATASET}/labels/{{task}}.parquet"
SPLIT = f"{DATASET}/splits/{{task}}{{fold}}.csv"  # fold: nothing, or .fold0, .fold1, ...
SPLIT_REPORT = f"{DATASET}/splits/{{task}}{{fold}}.json"
BASELINE_FEATURES = f"{DATASET}/baseline_features.parquet"
BASELINES = f"{DATASET}/baselines/{{task}}.csv"
COMPLEXITY = f"{DATASET}/complexity.parquet"
DESCRIPTORS = f"{DATASET}/descriptors/{{descriptor}}/part-{{part}}.parquet"

FEATURISED = f"{DATASET}/n{{n}}"
SHARD = f"{FEATURISED}/shards/part-{{part}}.parquet"
COMPUTED_TARGETS = f"{FEATURISED}/computed_targets/part-{{part}}.parquet"
SUPERCELLS = f"{FEATURISED}/supercells.parquet"
PRETRAINING = f"{FEATURISED}/pretraining/{{pretraining}}"
EMBEDDINGS = f"{FEATURISED}/embeddings/{{pretraining}}.parquet"
UNTRAINED = f"{FEATURISED}/embeddings/{{pretraining}}.untrained.parquet"

SETTING = f"{FEATURISED}/{{task}}/{{variant}}"
RUN = f"{SETTING}/seed{{seed}}"
ENSEMBLE = f"{SETTING}/ensemble"

TRANSFER = "results/transfer/{experiment}/{arm}/labels{labels}.parquet"
REPRESENTATION = "results/representation/{experiment}/{representation}.parquet"
MAP = "results/maps/{experiment}/{representation}.parquet"
SILHOUETTES = "results/maps/{experiment}/{representation}.csv"

FEW_LABELS = "results/few_labels/{experiment}"
LEARNING_CURVE = f"{FEW_LABELS}/learning_curve.parquet"

ENCODERS = "results/encoders/{dataset}"
ENCODER_DESCRIPTORS = f"{ENCODERS}/descriptors.parquet"
ENCODER_VECTORS = f"{ENCODERS}/vectors/{{kind}}/{{number}}.parquet"
ENCODER_ERRORS = f"{ENCODERS}/errors/{{task}}/{{kind}}/{{number}}.parquet"
DESCRIPTOR_ERRORS = f"{ENCODERS}/errors/{{task}}/descriptors.parquet"

SEARCH = "results/tuning/{search}"

FIGURES = "results/figures"
TABLES = "results/tables"


def rejections(table: str) -> str:
    """The list of crystals that were rejected on the way to `table`.

    That of structures.parquet is rejected.csv; others are named after their table.
    """
    path = PurePosixPath(table)
    if path.name == "structures.parquet":
        return str(path.with_name("rejected.csv"))
    return str(path.with_suffix(".rejected.csv"))


def log(path: str) -> str:
    """The log of the step that writes `path`: results/a/b.parquet -> logs/a/b.log."""
    below = PurePosixPath(path).relative_to("results")
    return str(PurePosixPath("logs", below).with_suffix(".log"))
