"""What is searched: the ranges of Table 1 of 10.1039/d3dd00005b."""

from collections.abc import Mapping
from typing import Any

LOGARITHMIC = "learning_rate"
"""The parameter that is drawn by its logarithm, and the only one that is not a whole number."""

NETWORKS = ("attention", "pre_pool", "post_pool")
"""Networks of `depth` layers of one `width`."""


def sections(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Drawn parameters as options of the sections `model` and `training` of the configuration.

    The learning rate is rounded to three digits, as it is trained with and written.
    """
    given = dict(parameters)
    rate = float(f"{given.pop(LOGARITHMIC):.3g}")
    model: dict[str, Any] = {}
    for network in NETWORKS:
        depth, width = given.pop(f"{network}_depth"), given.pop(f"{network}_width")
        model[f"{network}_layers"] = [int(width)] * int(depth)
    whole = {name: int(value) for name, value in given.items()}
    return {"model": whole | model, "training": {LOGARITHMIC: rate}}
