"""`sitenet info`: what a model is."""

import json
import sys
from argparse import Namespace
from typing import Any

from sitenet.api.predictor import Predictor


def run_info(options: Namespace) -> None:
    """Print what is known of a model, the card last, or all as JSON. Raises UnusableModel."""
    about = Predictor.load(options.model, "cpu").info()
    if options.json:
        json.dump(about, sys.stdout, indent=2)
        print()
        return
    card = about.pop("card")
    width = max(map(len, about)) + 2
    for name, value in about.items():
        print(f"{name.replace('_', ' '):{width}}{_text(value)}")
    if card:
        print(f"\n{card.rstrip()}")


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
