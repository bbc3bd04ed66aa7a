"""Site-Net of the run: the same CIF texts, trained by the function of the pipeline."""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow.parquet as pq
from crystals import Crystals
from result import Result, peak_gib

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.plan.runs import Run
from sitenet.shards.schema import open_writer, to_table
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal
from sitenet.train.supervised import RunInputs, RunOutputs, train

ROW_GROUP = 1000


def featurised(crystals: Crystals, settings: FeatureSettings, shard: Path) -> tuple[int, float]:
    """Write all crystals to `shard`; how many, and the seconds that it took."""
    start = time.process_time()
    names, kept = [], []
    with open_writer(shard) as writer:
        for name, cif in zip(crystals.table.id, crystals.table.cif, strict=True):
            try:
                kept.append(featurise(read_cif(cif), settings))
                names.append(name)
            except RejectedCrystal as error:
                print(f"{name}: {error}", flush=True)
            if len(kept) == ROW_GROUP:
                writer.write_table(to_table(names, kept))
                names, kept = [], []
        if kept:
            writer.write_table(to_table(names, kept))
    return pq.read_metadata(shard).num_rows, time.process_time() - start


def measure(crystals: Crystals, run: Run, split: Path) -> Result:
    """Featurise, train and test with the options of `run`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        shard, metrics, history = (folder / file for file in ("p.parquet", "m.json", "h.csv"))
        features = FeatureSettings(**run.features)
        count, featurising = featurised(crystals, features, shard)
        start = time.process_time()
        train(
            RunInputs(
                structures=Path(run.setting.crystals.dataset.labels(run.setting.task)),
                shards=(shard,),
                split=split,
                column=run.setting.task,
                unit=run.unit,
                features=features,
            ),
            RunOutputs(
                weights=folder / "model.safetensors",
                description=folder / "model.json",
                metrics=metrics,
                predictions=folder / "predictions.parquet",
                training_set=folder / "training_set.safetensors",
                history=history,
                checkpoints=folder / "checkpoints",
            ),
            ModelSettings.from_dict(run.model),
            TrainingSettings(**run.training),
            label="Site-Net",
        )
        training = time.process_time() - start
        record = json.loads(metrics.read_text())
        rows = pd.read_csv(history)
    return Result(
        model=f"Site-Net, N = {features.n_atoms}",
        mae=record["splits"]["test"]["mae"],
        epochs=len(rows),
        best_epoch=int(record["best_epoch"]),
        featurised=count / featurising,
        trained=len(crystals.rows("train")) * len(rows) / training,
        gib=peak_gib(),
        left_out=len(crystals.table) - count,
        baselines={name: record["baselines"][name] for name in ("mean", "median")},
    )
