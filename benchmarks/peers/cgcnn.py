"""CGCNN (doi:10.1103/PhysRevLett.120.145301) as the package cgcnn2 has it.

Network and crystal graphs are the package's, with the published defaults: 12 neighbours within
8 A, Gaussians every 0.2 A, 92 features of the elements, 64 numbers for an atom, 3 convolutions, one
hidden layer of 128. Trained is it as Site-Net is, so that the comparison is one of networks:
mean absolute error of standardised labels, AdamW with warm-up and a cosine, the best validation
epoch, predictions below zero clamped for labels that are never negative. The published script takes
squared errors, gradient descent with momentum at a rate of 0.01, and batches of 256.
"""

import math
import shutil
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cgcnn2
import torch
from cgcnn2.data import CIFData, collate_pool
from cgcnn2.model import CrystalGraphConvNet
from crystals import Crystals
from result import Result, peak_gib
from torch import Tensor
from torch.utils.data import DataLoader

BATCH = 128
LEARNING_RATE = 1e-3
WARMUP = 2
"""Epochs in which the learning rate rises, of `epochs` in all."""

Graph = tuple[Any, Tensor, str]
"""((atoms, neighbours, their indices), label (1,), row of the crystal as text)."""


def graphs(crystals: Crystals) -> tuple[list[Graph], float]:
    """Crystal graphs of all crystals that the package can read, and the seconds that it took."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(Path(cgcnn2.__file__).parent / "asset" / "atom_init.json", folder)
        rows = range(len(crystals.table))
        for row, cif in zip(rows, crystals.table.cif, strict=True):
            (folder / f"{row}.cif").write_text(cif)
        lines = [f"{row},{label!r}" for row, label in zip(rows, crystals.table.label, strict=True)]
        (folder / "id_prop.csv").write_text("\n".join(lines))
        data = CIFData(name, cache_size=0)
        found = []
        start = time.process_time()
        for row in rows:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found.append(data[row])
            except (ValueError, KeyError, AttributeError, AssertionError) as error:
                print(f"{crystals.table.id[row]}: {error}", flush=True)
        return found, time.process_time() - start


def measure(crystals: Crystals, epochs: int, seed: int, nonnegative: bool) -> Result:
    """Featurise, train and test."""
    found, featurising = graphs(crystals)
    part = crystals.table.part.to_numpy()
    train, val, test = (
        [graph for graph in found if part[int(graph[2])] == name]
        for name in ("train", "val", "test")
    )
    torch.manual_seed(seed)
    atoms, neighbours, _ = train[0][0]
    model = CrystalGraphConvNet(atoms.shape[-1], neighbours.shape[-1])
    labels = torch.stack([label for _, label, _ in train])
    mean, deviation = labels.mean(), labels.std()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    batches = DataLoader(train, BATCH, shuffle=True, drop_last=True, collate_fn=collate_pool)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step / len(batches), epochs)
    )
    best, best_epoch, weights = math.inf, 0, model.state_dict()
    start = time.process_time()
    for epoch in range(1, epochs + 1):
        model.train()
        for graph, label, _ in batches:
            optimiser.zero_grad()
            loss = (model(*graph)[0] - (label - mean) / deviation).abs().mean()
            loss.backward()
            optimiser.step()
            schedule.step()
        error = _error(model, val, mean, deviation, nonnegative)
        print(f"epoch {epoch}: validation MAE {error:.4f}", flush=True)
        if error < best:
            best, best_epoch = error, epoch
            weights = {name: value.clone() for name, value in model.state_dict().items()}
    training = time.process_time() - start
    model.load_state_dict(weights)
    return Result(
        model="CGCNN",
        mae=_error(model, test, mean, deviation, nonnegative),
        epochs=epochs,
        best_epoch=best_epoch,
        featurised=len(found) / featurising,
        trained=len(train) * epochs / training,
        gib=peak_gib(),
        left_out=len(crystals.table) - len(found),
    )


def _rate(epoch: float, epochs: int) -> float:
    """Factor of the learning rate: a linear warm-up, then half a cosine."""
    if epoch < WARMUP:
        return (epoch + 1e-2) / WARMUP
    return 0.5 * (1 + math.cos(math.pi * min((epoch - WARMUP) / max(epochs - WARMUP, 1), 1)))


def _error(
    model: torch.nn.Module, part: list[Graph], mean: Tensor, deviation: Tensor, nonnegative: bool
) -> float:
    """Mean absolute error in the label's unit."""
    model.eval()
    errors = []
    with torch.inference_mode():
        for graph, label, _ in DataLoader(part, BATCH, collate_fn=collate_pool):
            values = model(*graph)[0] * deviation + mean
            values = values.clamp(min=0) if nonnegative else values
            errors.append((values - label).abs())
    return float(torch.cat(errors).mean())
