"""A pre-training of a second."""

from pathlib import Path

from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import PretrainingSettings
from sitenet.train.pretrain import PretrainOutputs

MODEL = ModelSettings(
    embedding_size=0,
    site_features_per_head=8,
    interaction_features_per_head=8,
    heads=1,
    blocks=1,
    attention_layers=(8,),
    pre_pool_layers=(8,),
    post_pool_layers=(8,),
    head_layers=(8,),
    interaction_features="distance",
    site_feature_scaling="dim",
)
LOSS = InfoMaxSettings(upscaling_layers=(8, 8))
TRAINING = PretrainingSettings(batch_sites=20, learning_rate=5e-3, max_epochs=5, patience=5)


def outputs(folder: Path) -> PretrainOutputs:
    return PretrainOutputs(folder / "model.safetensors", folder / "model.json",
                           folder / "metrics.json", folder / "training_set.parquet",
                           folder / "history.csv", folder / "checkpoints")  # fmt: skip
