"""The pipeline's configuration: checked, defaults filled in, overlays applied.

Mistakes are reported with the name of the option and what is allowed there, all at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from sitenet.options.configuration import Configuration
from sitenet.options.datasets import (
    PROTOTYPE_LABELS,
    CifFolderSource,
    PrototypesSource,
    TableSource,
)
from sitenet.options.few_labels import of_seed
from sitenet.options.infomax import NO_GEOMETRY, InfoMaxSection
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.options.transfer import TransferSettings
from sitenet.options.validation import mistakes, with_defaults, with_text_read

ENCODER = "encoder"
"""The variant that trains the encoder of Deep InfoMax with labels; no other may have its name."""

RUN_NAME = re.compile(
    r"(?P<dataset>[\w-]+)/n(?P<n>\d+)/(?P<task>[\w-]+)/(?P<variant>[\w-]+)/seed(?P<seed>\d+)"
)
"""A run of the configuration, as its folder in `results` is called."""

FOLDERS = (
    "encoders", "few_labels", "figures", "maps", "representation", "tables", "transfer", "tuning",
)  # fmt: skip
"""Folders of `results` that belong to no data set; none may have such a name."""


WEIGHTS = ".safetensors"
"""How the path of a trained model ends."""


class ConfigError(Exception):
    """The configuration has mistakes; the message lists them, one a line."""


def checked(config: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A valid copy of `config` with all defaults, except in `variants`, which are overlays.

    Text is read as a number, truth value or null where one is wanted.

    Args:
        config: as read from the files.
        origin: where the configuration is from, for messages.

    Raises:
        ConfigError: a key is unknown or missing, a value is of a wrong kind or out of bounds, or a
            section names a data set, task or variant that does not exist.
    """
    given = with_text_read(config)
    problems = mistakes(given)
    if not problems:
        given = with_defaults(given)
        problems = list(_contradictions(Configuration.from_dict(given)))
    if problems:
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems))
    return given


def overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `overlay` in place of its own; sections are merged."""
    merged = dict(base)
    for key, value in overlay.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if nested else value
    return merged


def _contradictions(config: Configuration) -> Iterator[str]:
    """Names that are used but not given, or that mean something else; impossible combinations."""
    yield from _in_datasets(config)
    yield from _without_geometry(config)
    if ENCODER in config.variants:
        yield f"variants.{ENCODER}: this name stands for the encoder of `infomax`, take another"
    yield from _in_variants(config)
    yield from _in_infomax(config)
    yield from _in_few_labels(config.infomax)
    yield from _in_curves(config)
    yield from _in_encoders(config)
    yield from _in_tuning(config)
    yield from _in_runs(config)


def _in_datasets(config: Configuration) -> Iterator[str]:
    for name, section in config.datasets.items():
        if name in FOLDERS:
            yield f"datasets.{name}: results/{name}/ holds something else, take another name"
        split, source = section.split, section.source
        if split.folds is not None and split.kind in ("matbench", "column"):
            yield (
                f"datasets.{name}.split.folds: a split of kind {split.kind} is given, not drawn; "
                "take grouped, prototype or random, or null"
            )
        for other in split.hold_out:
            if other == name:
                yield f"datasets.{name}.split.hold_out: a data set cannot hold out itself"
            elif other not in config.datasets:
                where = f"datasets.{name}.split.hold_out"
                yield _no_such(where, other, "data sets", config.datasets)
        if isinstance(source, CifFolderSource) and not source.labelled:
            for option in ("tasks", "source.labels", "source.id", "source.extra"):
                group = section if option == "tasks" else source
                if getattr(group, option.removeprefix("source.")):
                    yield f"datasets.{name}.{option}: source.labelled is false: there are no labels"
        listed = isinstance(source, TableSource) and source.ids is not None
        extra = source.extra if isinstance(source, TableSource | CifFolderSource) else ()
        if isinstance(source, PrototypesSource) and (split.train_size or 0) >= source.crystals:
            yield (
                f"datasets.{name}.split.train_size must be less than source.crystals, "
                f"{source.crystals}, not {split.train_size}"
            )
        if isinstance(source, PrototypesSource):
            for task, label in section.tasks.items():
                if label.column not in PROTOTYPE_LABELS:
                    yield (
                        f"datasets.{name}.tasks.{task}.column: a source of kind prototypes has no "
                        f"{label.column!r}; it has {', '.join(PROTOTYPE_LABELS)}"
                    )
        if split.kind == "column" and not listed and split.column not in extra:
            yield (
                f"datasets.{name}.split.column: {split.column!r} must be among the `extra` "
                "columns of a source of kind table or cif_folder"
            )


def _without_geometry(config: Configuration) -> Iterator[str]:
    """Networks that read the geometry of sites where there is none."""
    models = {"model": config.model.site_geometry} | {
        f"variants.{name}.model": section.model.get("site_geometry", False)
        for name, section in config.variants.items()
    }
    if not config.features.site_geometry:
        for where, reads in models.items():
            if reads:
                yield f"{where}.site_geometry needs features.site_geometry: true"
    if config.infomax.model.site_geometry:
        yield f"infomax.{NO_GEOMETRY}"
    for name, section in config.variants.items():
        if section.pretrainings and section.model.get("site_geometry", config.model.site_geometry):
            yield f"variants.{name}.pretrainings: {NO_GEOMETRY}"


def _in_infomax(config: Configuration) -> Iterator[str]:
    pretrainings, experiments = config.infomax.pretrainings, config.infomax.experiments
    for name, section in pretrainings.items():
        where = f"infomax.pretrainings.{name}"
        yield from _no_task(config, where, "split", section.dataset, section.split)
        for dataset in section.hold_out:
            if dataset not in config.datasets:
                yield _no_such(f"{where}.hold_out", dataset, "data sets", config.datasets)
        if section.variant is not None and section.variant not in config.variants:
            yield _no_such(f"{where}.variant", section.variant, "variants", config.variants)
    names = [experiment.name for experiment in experiments]
    for number, experiment in enumerate(experiments):
        where = f"infomax.experiments[{number}]"
        if experiment.name in names[:number]:
            yield f"{where}.name: {experiment.name!r} is there twice"
        yield from _no_task(config, where, "task", experiment.dataset, experiment.task)
        if other := experiment.supervised:
            yield from _no_task(config, f"{where}.supervised", "task", other.dataset, other.task)
        for role in ("pretraining", "ablation"):
            used = getattr(experiment, role)
            if used is not None and used not in pretrainings:
                yield _no_such(f"{where}.{role}", used, "pre-trainings", pretrainings)
            elif used is not None and pretrainings[used].pretext is not None:
                yield (
                    f"{where}.{role}: {used} must not have pretext, since the figures of an "
                    "experiment are those of Deep InfoMax"
                )


def _in_few_labels(section: InfoMaxSection) -> Iterator[str]:
    fixed, transfer = section.representation, section.transfer
    if fixed.pool is not None and (largest := max(fixed.label_counts)) > fixed.pool:
        yield (
            f"infomax.representation.label_counts: {largest} labels cannot be drawn from a pool of "
            f"{fixed.pool}; raise infomax.representation.pool"
        )
    for count in transfer.label_counts:
        try:
            TransferSettings(
                labels=count,
                seeds=transfer.seeds,
                validation=transfer.validation,
                model=ModelSettings(),
                training=TrainingSettings(),
            )
        except ValueError as error:
            yield f"infomax.transfer.validation: {error}"


def _in_curves(config: Configuration) -> Iterator[str]:
    counts, masks = config.few_labels.label_counts, config.few_labels.masks
    if len(masks) not in (1, len(counts)):
        yield (
            f"few_labels.masks has {len(masks)} numbers for {len(counts)} label_counts: give one "
            "for each, or one for all"
        )
    names = [experiment.name for experiment in config.few_labels.experiments]
    for number, experiment in enumerate(config.few_labels.experiments):
        where = f"few_labels.experiments[{number}]"
        if experiment.name in names[:number]:
            yield f"{where}.name: {experiment.name!r} is there twice"
        yield from _no_task(config, where, "task", experiment.dataset, experiment.task)
        for encoder in experiment.encoders:
            seeds = config.few_labels.encoder_seeds
            for name in dict.fromkeys(of_seed(encoder, seed) for seed in seeds):
                yield from _in_encoder(config, where, name)


def _in_encoder(config: Configuration, where: str, encoder: str) -> Iterator[str]:
    """Of the name or path of an encoder in the list `encoders` of a section."""
    if run := RUN_NAME.fullmatch(encoder):
        dataset, task, variant = run["dataset"], run["task"], run["variant"]
        if dataset not in config.datasets:
            yield _no_such(f"{where}.encoders", dataset, "data sets", config.datasets)
        else:
            yield from _no_task(config, where, "encoders", dataset, task)
        if variant not in (*config.variants, ENCODER):
            yield _no_such(f"{where}.encoders", variant, "variants", config.variants)
    elif not encoder.endswith(WEIGHTS) and encoder not in config.infomax.pretrainings:
        yield (
            f"{where}.encoders: {encoder!r} is no pre-training "
            f"({', '.join(config.infomax.pretrainings) or 'there are none'}), no run "
            f"(DATASET/nN/TASK/VARIANT/seedS) and no path of a model{WEIGHTS}"
        )


def _in_encoders(config: Configuration) -> Iterator[str]:
    section = config.encoders
    for number, one in enumerate(section.tasks):
        yield from _no_task(config, f"encoders.tasks[{number}]", "task", one.dataset, one.task)
    if section.pool is not None and (largest := max(section.label_counts)) > section.pool:
        yield (
            f"encoders.label_counts: {largest} labels cannot be drawn from a pool of "
            f"{section.pool}; raise encoders.pool"
        )
    for name, kind in section.kinds.items():
        for encoder in kind.encoders:
            yield from _in_encoder(config, f"encoders.kinds.{name}", encoder)


def _in_tuning(config: Configuration) -> Iterator[str]:
    for name, section in config.tuning.items():
        where = f"tuning.{name}"
        yield from _no_task(config, where, "task", section.dataset, section.task)
        if section.variant not in config.variants:
            yield _no_such(f"{where}.variant", section.variant, "variants", config.variants)
        longest = section.max_epochs or config.training.max_epochs
        if section.grace_epochs > longest:
            yield f"{where}.grace_epochs must be at most max_epochs, {longest}"
        for parameter, (low, high) in section.ranges.to_dict().items():
            if low > high:
                yield f"{where}.ranges.{parameter} must be [smallest, largest], not [{low}, {high}]"


def _in_runs(config: Configuration) -> Iterator[str]:
    if not any(run.figures for run in config.runs):
        yield "runs: figures is false in all of them; figures 5 to 7 have nothing to show"
    for number, run in enumerate(config.runs):
        where = f"runs[{number}]"
        missing = [_no_task(config, where, "tasks", run.dataset, task) for task in run.tasks]
        yield from dict.fromkeys(chain.from_iterable(missing))
        if run in config.runs[:number]:
            yield f"{where} repeats runs[{config.runs.index(run)}]: remove one of them"
        if run.variant not in (*config.variants, ENCODER):
            yield _no_such(f"{where}.variant", run.variant, "variants", config.variants)
        if variant := config.variants.get(run.variant):
            for task in variant.training.get("auxiliary", config.training.auxiliary):
                option = f"variant.{run.variant}.training.auxiliary"
                yield from _no_task(config, where, option, run.dataset, task)


def _in_variants(config: Configuration) -> Iterator[str]:
    """Combinations of options that no network can have."""
    for name, variant in config.variants.items():
        try:
            ModelSettings.from_dict({**config.model.to_dict(), **variant.model})
        except ValueError as error:
            yield f"variants.{name}.model: {error}"
        where, known = f"variants.{name}.pretrainings", config.infomax.pretrainings
        for used in variant.pretrainings:
            if used.endswith(WEIGHTS):
                continue
            if used not in known:
                yield f"{_no_such(where, used, 'pre-trainings', known)}; or a path of a {WEIGHTS}"
            elif known[used].variant != name:
                yield f"{where}: infomax.pretrainings.{used}.variant must be {name}"


def _no_task(
    config: Configuration, where: str, option: str, dataset: str, task: str | None
) -> Iterator[str]:
    """That the section `where` names a data set that does not exist, or that has no such task.

    None is no task.
    """
    if dataset not in config.datasets:
        yield _no_such(f"{where}.dataset", dataset, "data sets", config.datasets)
    elif task is not None and task not in config.datasets[dataset].tasks:
        tasks = config.datasets[dataset].tasks
        yield _no_such(f"{where}.{option}", task, f"tasks of {dataset}", tasks)


def _no_such(where: str, name: str, what: str, known: Iterable[str]) -> str:
    return f"{where}: there is no {name!r}; {what}: {', '.join(known) or 'none'}"
