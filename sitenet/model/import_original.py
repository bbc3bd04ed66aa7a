"""Import of weights saved by the original implementation of Site-Net."""

import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings, Norm, Output

# Original parameter name (regular expression) -> ours. Norms carry ".Norm", except after pooling.
NAMES = [
    (r"Elemental_Embeddings\.weight", r"features.embedding.weight"),
    (r"encoder\.site_featurization\.(\w+)", r"site_input.linear.\1"),
    (r"encoder\.site_featurization_norm\.Norm\.(\w+)", r"site_input.norm.\1"),
    (r"encoder\.interaction_featurization\.(\w+)", r"interaction_input.linear.\1"),
    (r"encoder\.interaction_featurization_norm\.Norm\.(\w+)", r"interaction_input.norm.\1"),
    (r"encoder\.pre_pool_layers\.(\d+)\.(\w+)", r"pre_pool.\1.linear.\2"),
    (r"encoder\.pre_pool_layers_norm\.(\d+)\.Norm\.(\w+)", r"pre_pool.\1.norm.\2"),
    (r"encoder\.post_pool_layers\.(\d+)\.(\w+)", r"post_pool.\1.linear.\2"),
    (r"encoder\.post_pool_layers_norm\.(\d+)\.(?:Norm\.)?(\w+)", r"post_pool.\1.norm.\2"),
    (r"decoder\.(\w+)", r"decoder.\1"),
]
BLOCK_NAMES = [
    (r"ije_to_multihead\.linear_layers\.(\d+)\.(\w+)", r"attention.\1.linear.\2"),
    (r"ije_to_multihead\.norm_layers\.(\d+)\.Norm\.(\w+)", r"attention.\1.norm.\2"),
    (r"pre_softmax_linear\.(\w+)", r"logits.\1"),
    (r"ije_to_attention_features\.linear_layers\.0\.(\w+)", r"values.linear.\1"),
    (r"ije_to_attention_features\.norm_layers\.0\.Norm\.(\w+)", r"values.norm.\1"),
    (r"global_linear\.linear_layers\.0\.(\w+)", r"sites.linear.\1"),
    (r"global_linear\.norm_layers\.0\.Norm\.(\w+)", r"sites.norm.\1"),
    (r"ije_to_Interaction_Features\.linear_layers\.0\.(\w+)", r"interactions.linear.\1"),
    (r"ije_to_Interaction_Features\.norm_layers\.0\.Norm\.(\w+)", r"interactions.norm.\1"),
]


def our_name(original: str) -> str:
    """Our name of an original parameter. Raises ValueError for a name that is not known."""
    block = re.fullmatch(r"encoder\.Attention_Blocks\.(\d+)\.(.+)", original)
    prefix, rest, table = ("", original, NAMES)
    if block:
        prefix, rest, table = f"blocks.{block[1]}.", block[2], BLOCK_NAMES
    for pattern, ours in table:
        if re.fullmatch(pattern, rest):
            name = prefix + re.sub(pattern, ours, rest)
            return name.replace("running_var", "running_variance")
    raise ValueError(f"'{original}' is not a parameter of the original Site-Net")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of an .npz, .safetensors or PyTorch checkpoint; never executes pickled code.

    Raises ValueError for a PyTorch file that holds more than tensors and plain values.
    """
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as plain tensors ({error}); save its state_dict as "
            ".safetensors or .npz with the software that wrote it"
        ) from error
    return content.get("state_dict", content)


def infer_settings(state: dict[str, Tensor], output: Output, cutoff: float | None) -> ModelSettings:
    """Settings that fit weights under our names; the originals use raw site features."""

    def widths(stack: str) -> tuple[int, ...]:
        found = [k for k in state if re.fullmatch(rf"{re.escape(stack)}\.\d+\.linear\.weight", k)]
        return tuple(state[f"{stack}.{k}.linear.weight"].shape[0] for k in range(len(found)))

    heads = state["blocks.0.logits.weight"].shape[0]
    norm: Norm = "layer" if "site_input.norm.weight" in state else "none"
    return ModelSettings(
        embedding_size=state["features.embedding.weight"].shape[1],
        site_features_per_head=state["blocks.0.values.linear.weight"].shape[0],
        interaction_features_per_head=state["interaction_input.linear.weight"].shape[0] // heads,
        heads=heads,
        blocks=1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks.")),
        attention_layers=widths("blocks.0.attention"),
        pre_pool_layers=widths("pre_pool"),
        post_pool_layers=widths("post_pool"),
        norm="batch" if "site_input.norm.running_mean" in state else norm,
        site_feature_scaling="raw",
        output=output,
        cutoff=cutoff,
    )


def import_original(path: Path, output: Output, cutoff: float | None = None) -> SiteNet:
    """Site-Net with the weights of an original checkpoint, its settings read off the shapes.

    `output` is `nonnegative` for band gaps, `linear` for formation energies; `cutoff` (A) if the
    model was trained with one. The last block's gI is dropped: the original holds it but never
    uses it. Raises ValueError for other models.
    """
    state = {our_name(name): tensor for name, tensor in read_weights(Path(path)).items()
             if not name.endswith("num_batches_tracked")}  # fmt: skip
    settings = infer_settings(state, output, cutoff)
    dead = f"blocks.{settings.blocks - 1}.interactions."
    model = SiteNet(settings)
    live = {name: tensor for name, tensor in state.items() if not name.startswith(dead)}
    unscaled = {"label_shift": model.label_shift, "label_scale": model.label_scale}
    model.load_state_dict(unscaled | live)
    return model.eval()
