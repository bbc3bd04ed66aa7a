"""A fit on disk: JSON and safetensors, of which nothing is executed when it is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sitenet.crystal.featurise import MergedCrystal
from sitenet.evaluate.training_set import KEPT, TrainingSet, nearest
from sitenet.few.arms import Arm, Crystals, Model, check_arrays, predict_arm
from sitenet.few.choice import stacked_mean
from sitenet.few.descriptors import BONDS, COMPOSITION, describe, names
from sitenet.few.encoders import (
    Encoder,
    Stores,
    read_encoder,
    stores_of,
    write_encoder,
)
from sitenet.few.files import ARRAYS, DESCRIPTION, ENCODERS
from sitenet.few.linear import standard, standardised
from sitenet.few.networks import Network
from sitenet.files import atomic_path, read_json, write_json
from sitenet.model.description import MOST_BYTES, UnusableModel
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.guarded import Kinds
from sitenet.structure.elements import symbols
from sitenet.structure.formula import reduced_formula

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FORMAT = 4


class Applied(NamedTuple):
    """Predictions (n,), their spread over the arms (n,) or None, vectors (n, d), problems (n,)."""

    prediction: Float
    spread: Float | None
    vectors: NDArray[np.float32]
    problems: list[str]


@dataclass(frozen=True)
class Member:
    """A trained arm and its weight."""

    arm: Arm
    weight: float
    arrays: Mapping[str, NDArray] = field(repr=False)


@dataclass(frozen=True)
class Fit:
    """What was chosen, trained on all labels, and what is known of its errors.

    about: label, positive, report: plain values. kinds: how crystals are featurised. residuals (n,)
    and spread (n,) or None: of the nested cross-validation. scale: of descriptors, for the distance
    from the training set.
    """

    about: Mapping[str, Any]
    members: Sequence[Member]
    encoders: Sequence[Encoder]
    kinds: Kinds
    residuals: Float = field(repr=False)
    spread: Float | None = field(repr=False)
    scale: Mapping[str, NDArray] = field(repr=False)
    known: TrainingSet = field(repr=False)

    def apply(
        self, crystals: Sequence[tuple[MergedCrystal, ...]], device: torch.device | str = "cpu"
    ) -> Applied:
        """Predict crystals of all kinds; those without descriptors have NaN and a problem."""
        first = [one[0] for one in crystals]
        described = describe(first)
        sound = np.flatnonzero([not problem for problem in described.problems])
        prediction, spread = np.full((2, len(crystals)), np.nan)
        vectors = np.zeros((len(crystals), len(self.scale["shift"])), np.float32)
        if len(sound):
            networks = any(one.arm.network for one in self.members)
            names = [str(k) for k in range(len(crystals))]
            stores: Stores = {}
            if self.encoders or networks:
                stores = stores_of(names, crystals, self.kinds, device)
            table = crystals_of(first, described.groups, self.encoders, stores)
            values = np.stack(
                [predict_arm(one.arm, one.arrays, table, sound) for one in self.members]
            )
            weights = np.array([one.weight for one in self.members])
            logarithms = np.array([one.arm.ln for one in self.members])
            prediction[sound] = stacked_mean(weights, logarithms, values)
            spread[sound] = spread_of(weights, values)
            vectors[sound] = places(self.scale, described.groups, sound)
        several = len(self.members) > 1
        return Applied(prediction, spread if several else None, vectors, described.problems)


def spread_of(weights: Float, values: Float) -> Float:
    """Weighted standard deviation (n,) of values (m, n)."""
    return np.asarray(np.sqrt(weights @ (values - weights @ values) ** 2))


def crystals_of(
    crystals: Sequence[MergedCrystal],
    groups: Mapping[str, Float],
    encoders: Sequence[Encoder],
    stores: Stores,
) -> Crystals:
    """Crystals as arms see them, with the vectors of encoders among their groups."""
    vectors = {one.name: one.vectors(stores) for one in encoders}
    formulas = np.array([reduced_formula(crystal.numbers) for crystal in crystals], dtype=object)
    n_sites = np.array([len(crystal.numbers) for crystal in crystals])
    return Crystals({**groups, **vectors}, formulas, n_sites, stores)


def places(scale: Mapping[str, NDArray], groups: Mapping[str, Float], rows: Int) -> NDArray:
    """Where crystals are among the training crystals: standardised descriptors (m, d)."""
    table = np.hstack([groups[name][rows] for name in (COMPOSITION, BONDS)])
    return standardised(scale, table).astype(np.float32)


def known_crystals(
    crystals: Sequence[MergedCrystal], groups: Mapping[str, Float], folds: Int, residuals: Float
) -> tuple[dict[str, NDArray], TrainingSet]:
    """Scale of the descriptors, and what tells crystals unlike these from them."""
    rows = np.arange(len(crystals))
    scale = standard(np.hstack([groups[name] for name in (COMPOSITION, BONDS)]))
    vectors = places(scale, groups, rows)
    kept = np.sort(np.random.default_rng(0).permutation(len(rows))[:KEPT])
    distances = np.concatenate([
        nearest(vectors[kept][folds[kept] == fold], vectors[folds != fold])
        for fold in np.unique(folds)
    ])  # fmt: skip
    elements = frozenset(int(z) for crystal in crystals for z in crystal.numbers)
    by_place = dict(zip(map(str, rows), residuals.tolist(), strict=True))
    return scale, TrainingSet(elements, by_place, vectors, np.sort(distances))


def write_fit(fit: Fit, folder: Path) -> None:
    """Write a fit to a folder, which `read_fit` and `Predictor.load` read."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"arm{k}.{name}": np.ascontiguousarray(values)
        for k, one in enumerate(fit.members)
        for name, values in one.arrays.items()
    }
    tensors |= {f"scale.{name}": values for name, values in fit.scale.items()}
    tensors |= {"residuals": fit.residuals, "vectors": fit.known.vectors,
                "distances": fit.known.distances}  # fmt: skip
    if fit.spread is not None:
        tensors["spread"] = fit.spread
    with atomic_path(folder / ARRAYS) as temporary:
        temporary.write_bytes(save(tensors))
    for number, encoder in enumerate(fit.encoders):
        write_encoder(encoder, folder / ENCODERS / str(number))
    write_json(folder / DESCRIPTION, {
        "format": FORMAT,
        **fit.about,
        "elements": [symbols()[z] for z in sorted(fit.known.elements)],
        "kinds": [kind.to_dict() for kind in fit.kinds],
        "arms": [_as_json(one, fit.kinds) for one in fit.members],
        "encoders": [{"name": one.name, "source": one.source} for one in fit.encoders],
    })  # fmt: skip


def _as_json(member: Member, kinds: Kinds) -> dict[str, Any]:
    arm, network = member.arm, None
    if arm.network is not None:
        kind = kinds.index(arm.network.features)
        network = {"settings": arm.network.settings.to_dict(), "kind": kind}
    return {"model": arm.model, "groups": list(arm.groups), "ln": arm.ln, "source": arm.source,
            "weight": member.weight, "network": network}  # fmt: skip


def read_fit(folder: Path) -> Fit:
    """Read a fit. Raises UnusableModel if it is damaged or of another program."""
    path = folder / DESCRIPTION
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        about = read_json(path)
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']!r}, not {FORMAT}")
        tensors = load((folder / ARRAYS).read_bytes())
        encoders = [
            read_encoder(_name(one["name"]), str(one["source"]), folder / ENCODERS / str(number))
            for number, one in enumerate(about["encoders"])
        ]
        return _made(about, tensors, encoders)
    except UnusableModel:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError,
            SafetensorError) as error:  # fmt: skip
        text = " ".join(str(error).split())[:200]
        raise UnusableModel(
            f"{folder} is no fit that can be read ({type(error).__name__}: {text}); make it anew "
            "with sitenet fit"
        ) from None


def _made(about: Any, tensors: Mapping[str, NDArray], encoders: list[Encoder]) -> Fit:
    widths = {name: len(labels) for name, labels in names().items()}
    for encoder in encoders:
        if encoder.name in widths:
            raise ValueError(f"an encoder is called {encoder.name}, as other columns are")
        widths[encoder.name] = encoder.network.crystal_width + encoder.network.local_width
    kinds = tuple(FeatureSettings.from_untrusted(one) for one in about["kinds"])
    if not kinds or not {one.features for one in encoders} <= set(kinds):
        raise ValueError("an encoder reads crystals as no other part of it does")
    members = []
    for number, one in enumerate(about["arms"]):
        start = f"arm{number}."
        arrays = {name.removeprefix(start): x for name, x in tensors.items()
                  if name.startswith(start)}  # fmt: skip
        arm = _arm(one, widths, kinds)
        check_arrays(arm, arrays, sum(widths[name] for name in arm.groups))
        members.append(Member(arm, float(one["weight"]), arrays))
    if not members or abs(sum(one.weight for one in members) - 1) > 1e-6:
        raise ValueError("the weights of its arms do not add up to 1")
    numbers = {symbol: z for z, symbol in symbols().items()}
    scale = {name: tensors[f"scale.{name}"] for name in ("shift", "factor")}
    residuals = tensors["residuals"]
    known = TrainingSet(
        frozenset(numbers[symbol] for symbol in about["elements"]),
        dict(zip(map(str, range(len(residuals))), residuals.tolist(), strict=True)),
        tensors["vectors"], tensors["distances"],
    )  # fmt: skip
    str(about["label"]["unit"] + about["label"]["column"])
    return Fit(about, members, encoders, kinds, residuals, tensors.get("spread"), scale, known)


def _arm(one: Mapping[str, Any], widths: Mapping[str, int], kinds: Kinds) -> Arm:
    if one["model"] not in get_args(Model) or not set(one["groups"]) <= set(widths):
        raise ValueError(f"an arm is {one['model']!r:.40} on {one['groups']!r:.80}")
    network = None
    if one["model"] == "network":
        settings = ModelSettings.from_untrusted(one["network"]["settings"])
        network = Network(settings, TrainingSettings(), kinds[int(one["network"]["kind"])])
    return Arm(one["model"], tuple(one["groups"]), bool(one["ln"]), str(one["source"]), network)


def _name(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"\w{1,100}", name):
        raise ValueError(f"an encoder is called {name!r:.40}")
    return name
