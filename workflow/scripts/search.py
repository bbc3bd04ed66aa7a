"""Search for hyperparameters."""

from pathlib import Path

from job import accelerator, checkpoints, job

from sitenet.options.features import FeatureSettings
from sitenet.options.search import SearchSettings
from sitenet.train.supervised import RunInputs
from sitenet.tune.jobs import Machine, SearchJob, SearchOutputs
from sitenet.tune.search import search

with job(snakemake):
    given, output = snakemake.params, snakemake.output
    device = accelerator(snakemake.resources.gpu)
    settings = SearchSettings(**given.settings)
    gpus = snakemake.resources.gpu if device == "gpu" else 0
    search(
        SearchJob(
            inputs=RunInputs(
                structures=Path(snakemake.input.labels).resolve(),
                shards=tuple(Path(path).resolve() for path in snakemake.input.shards),
                split=Path(snakemake.input.split).resolve(),
                column=given.run["task"],
                unit=given.run["unit"],
                features=FeatureSettings(**given.features),
                auxiliary=tuple(Path(path).resolve() for path in snakemake.input.auxiliary),
                computed_targets=tuple(
                    Path(path).resolve() for path in snakemake.input.computed_targets
                ),
            ),
            model=given.model,
            training=given.training,
            folder=checkpoints(
                Path(output.best).with_name(".search"),
                files=snakemake.input,
                settings=dict(given.items()),
            ).resolve(),
            accelerator=device,
        ),
        settings,
        Machine(cpus=snakemake.threads, gpus=gpus),
        SearchOutputs(best=Path(output.best), trials=Path(output.trials),
                      curves=Path(output.curves)),
        given.run,
    )  # fmt: skip
