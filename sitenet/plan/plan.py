"""The plan: everything that a configuration asks for, and everything that a path can name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sitenet.options.config import ENCODER, RUN_NAME
from sitenet.options.few_labels import of_seed
from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, FeaturisedSet
from sitenet.plan.encoders import ComparedEncoder, ComparedTask
from sitenet.plan.experiments import Experiment, Experiments, Representation, Tested, Transfer
from sitenet.plan.few_labels import FewLabels
from sitenet.plan.names import Options, entry
from sitenet.plan.pretraining import Pretraining
from sitenet.plan.runs import Ensemble, Restricted, Run, Runs, Setting, Variant
from sitenet.plan.search import Search


@dataclass(frozen=True)
class Plan:
    """Entries of a checked configuration by their names, and lists of all that it asks for.

    The methods find the entry that a path names. Their arguments are wildcards of the rules; they
    raise UnknownName for a name that the configuration lacks.
    """

    config: Mapping[str, Any]

    def dataset(self, dataset: str) -> DataSet:
        return DataSet(dataset, entry(self.config["datasets"], dataset))

    def labels_made_from(self, dataset: str, task: str) -> dict[str, Any]:
        return self.dataset(dataset).labels_made_from(task)

    def featurised(self, dataset: str, n: str | int) -> FeaturisedSet:
        return FeaturisedSet(self.dataset(dataset), int(n), self.config["features"])

    def setting(self, dataset: str, n: str | int, task: str, variant: str) -> Setting:
        crystals = self.featurised(dataset, n)
        crystals.dataset.task(task)
        return Setting(crystals, task, Variant.from_config(self.config, variant))

    def run(self, dataset: str, n: str | int, task: str, variant: str, seed: str | int) -> Run:
        return Run(self.setting(dataset, n, task, variant), int(seed))

    def run_encoder(
        self, dataset: str, n: str | int, task: str, variant: str, seed: str | int
    ) -> list[str]:
        """Weights that a run starts from, and their description; none for random ones."""
        name = self.run(dataset, n, task, variant, seed).pretraining
        if name is None:
            return []
        weights = self._weights(name)
        return [str(weights), str(weights.with_suffix(".json"))]

    def output(self, dataset: str, task: str) -> str:
        """Which values a label can have."""
        return str(self.dataset(dataset).task(task)["output"])

    def split_seed(self, dataset: str) -> int:
        """The seed of the draws of a data set that no run decides."""
        return int(self.dataset(dataset).split_options["seed"])

    def runs_of(self, dataset: str, task: str) -> Runs:
        """The configured runs of a task."""
        self.dataset(dataset).task(task)
        settings = ((run, run.setting) for run in self.runs)
        return Runs(
            run
            for run, setting in settings
            if (setting.crystals.dataset.name, setting.task) == (dataset, task)
        )

    def run_tested(self, dataset: str, n: str | int, task: str, variant: str) -> Tested:
        """What the encoders of the runs of a setting are used for."""
        setting = self.setting(dataset, n, task, variant)
        used = [e for e in self.experiments if e.supervised and e.supervised.setting == setting]
        return self._tested(used, Path(setting.folder))

    def pretraining_tested(self, pretraining: str) -> Tested:
        """What a pre-training is used for."""
        own = self.pretraining(pretraining)
        used = [e for e in self.experiments if own in (e.pretraining, e.ablation)]
        tests = self._tested(used, Path(own.weights).parent).tests
        for run in self.runs:
            if run.pretraining == pretraining:
                dataset = run.setting.crystals.dataset
                tests += ((dataset, run.setting.task, dataset.fold(run.seed)),)
                tests += self.run_tested(**run.setting.names).tests
        return Tested(tuple(dict.fromkeys(tests)))

    def _tested(self, experiments: list[Experiment], folder: Path) -> Tested:
        """Tests of some experiments, of those on few labels and of the comparison of encoders.

        The last two if they use an encoder in `folder`.
        """
        tests = [(one.crystals.dataset, one.task, 0) for one in experiments]
        tests += [(one.dataset, one.task, 0) for one in self._learned_from(folder)]
        if any(folder in Path(one.weights).parents for one in self.compared):
            tests += [(one.dataset, one.task, 0) for one in self.compared_tasks]
        return Tested(tuple(dict.fromkeys(tests)))

    def ensemble(self, dataset: str, n: str | int, task: str, variant: str) -> Ensemble:
        """The runs of a setting that the configuration has."""
        configured = {tuple(one.setting.names.values()): one for one in self.trained}
        return entry(configured, (dataset, int(n), task, variant))

    def pretraining(self, pretraining: str) -> Pretraining:
        infomax = self._infomax
        options = entry(infomax["pretrainings"], pretraining)
        crystals = self.featurised(options["dataset"], options["n"])
        held_out = tuple(self.dataset(name) for name in options["hold_out"])
        name = options["variant"]
        variant = Variant.from_config(self.config, name) if name else None
        return Pretraining(pretraining, crystals, held_out, options, infomax, variant)

    def experiment(self, experiment: str) -> Experiment:
        return entry({one.name: one for one in self.experiments}, experiment)

    def transfer(self, experiment: str, arm: str, labels: str | int) -> Transfer:
        return Transfer(self.experiment(experiment), arm, int(labels))

    def representation(self, experiment: str, representation: str) -> Representation:
        return Representation(self.experiment(experiment), representation)

    def learning(self, experiment: str) -> FewLabels:
        """An experiment of the section `few_labels`."""
        return entry({one.name: one for one in self.learned}, experiment)

    def encoder(self, kind: str, number: str | int) -> ComparedEncoder:
        """An encoder of the section `encoders`."""
        return entry({(one.kind, one.number): one for one in self.compared}, (kind, int(number)))

    def compared_task(self, dataset: str, task: str) -> ComparedTask:
        """A label of the section `encoders`."""
        known = {(one.dataset.name, one.task): one for one in self.compared_tasks}
        return entry(known, (dataset, task))

    def compared_splits(self, dataset: str) -> list[str]:
        """Splits of the labels of a data set that encoders are compared on."""
        return [one.split for one in self.compared_tasks if one.dataset.name == dataset]

    @property
    def drawn_for_encoders(self) -> dict[str, Any]:
        """What decides which crystals encoders are compared on."""
        return {name: self.config["encoders"][name] for name in ("pool", "test", "seed")}

    def search(self, search: str) -> Search:
        options = entry(self.config["tuning"], search)
        names = (options[name] for name in ("dataset", "n", "task", "variant"))
        return Search(search, self.setting(*names), options)

    @cached_property
    def trained(self) -> list[Ensemble]:
        """Every setting that is trained, with its seeds."""
        return self._ensembles(self.config["runs"])

    @cached_property
    def runs(self) -> Runs:
        return Runs(run for ensemble in self.trained for run in ensemble.runs)

    @cached_property
    def ensembles(self) -> list[Ensemble]:
        """The settings with several seeds."""
        return [ensemble for ensemble in self.trained if len(ensemble.seeds) > 1]

    @cached_property
    def shown(self) -> Runs:
        """The runs that figure 5 and the invariance show: the first seed of each setting."""
        return Runs(ensemble.runs[0] for ensemble in self._ensembles_shown)

    @cached_property
    def repeated(self) -> Runs:
        """The runs that figures 6 and 7 show: all seeds of the same settings, one after another."""
        return Runs(run for ensemble in self._ensembles_shown for run in ensemble.runs)

    @cached_property
    def restricted(self) -> list[Restricted]:
        """Configured runs that differ in a cutoff alone from one of `repeated`."""
        return [
            Restricted(run, cutoff, index)
            for index, shown in enumerate(self.repeated)
            for run in self.runs
            if run.seed == shown.seed and (cutoff := shown.setting.with_cutoff(run.setting))
        ]

    @cached_property
    def featurised_sets(self) -> list[FeaturisedSet]:
        """Data sets and sizes of supercells that models are trained on with all labels."""
        return list(dict.fromkeys(ensemble.setting.crystals for ensemble in self.trained))

    @cached_property
    def experiments(self) -> Experiments:
        return Experiments(map(self._experiment, self._infomax["experiments"]))

    @property
    def main(self) -> Experiments:
        """Experiments of figures 7 to 11 of Deep InfoMax."""
        return self._shown_in("main")

    @property
    def ablated(self) -> Experiments:
        """Those with a pre-training without synthetic false samples."""
        return Experiments(experiment for experiment in self.main if experiment.ablation)

    @property
    def phonons(self) -> Experiments:
        """Experiments of figure 13 of Deep InfoMax."""
        return self._shown_in("phonons")

    @cached_property
    def pretrainings(self) -> list[Pretraining]:
        """Those that an experiment uses."""
        used = [one for e in self.experiments for one in (e.pretraining, e.ablation) if one]
        return list(dict.fromkeys(used))

    @property
    def descriptors(self) -> list[str]:
        """Descriptors that representations are compared with."""
        return list(self._infomax["representation"]["descriptors"])

    @property
    def representations(self) -> list[str]:
        """What figure 8 of Deep InfoMax compares."""
        return ["infomax", "untrained", *self.descriptors]

    @property
    def representation_options(self) -> dict[str, Any]:
        """What decides the comparison of representations."""
        options = self._infomax["representation"]
        others = ("descriptors", "map_points")
        return {name: value for name, value in options.items() if name not in others}

    @property
    def drawn_crystals(self) -> dict[str, Any]:
        """What decides which crystals the representations are compared on."""
        options = self._infomax["representation"]
        return {name: options[name] for name in ("pool", "test", "seed")}

    @property
    def map_options(self) -> dict[str, Any]:
        """What decides the maps."""
        options = self._infomax["representation"]
        return {"points": options["map_points"], "seed": options["seed"]}

    def experiment_splits(self, dataset: str) -> list[str]:
        """Splits of all tasks of a data set that experiments are about."""
        tasks = [one.task for one in self.experiments if one.crystals.dataset.name == dataset]
        return [self.dataset(dataset).split(task) for task in dict.fromkeys(tasks)]

    @cached_property
    def learned(self) -> list[FewLabels]:
        """Experiments of the section `few_labels`."""
        section = self.config["few_labels"]
        return [
            FewLabels(
                one["name"],
                self.dataset(one["dataset"]),
                one["task"],
                tuple(
                    tuple(self._weights(of_seed(encoder, seed)) for encoder in one["encoders"])
                    for seed in section["encoder_seeds"]
                ),
                one,
                section,
            )
            for one in section["experiments"]
        ]

    @cached_property
    def compared(self) -> list[ComparedEncoder]:
        """All encoders of the section `encoders`."""
        return [
            ComparedEncoder(kind, number, str(self._weights(one)))
            for kind, options in self.config["encoders"]["kinds"].items()
            for number, one in enumerate(options["encoders"])
        ]

    @cached_property
    def compared_tasks(self) -> list[ComparedTask]:
        """The labels that they are compared on."""
        section = self.config["encoders"]
        return [
            ComparedTask(self.dataset(one["dataset"]), one["task"], tuple(self.compared), section)
            for one in section["tasks"]
        ]

    @property
    def searches(self) -> list[Search]:
        return [self.search(name) for name in self.config["tuning"]]

    @property
    def rejections(self) -> list[str]:
        """Lists of the crystals rejected when they were read, featurised, measured or described."""
        sets = self._used_sets()
        described = dict.fromkeys(one.crystals.dataset for one in self.experiments)
        tables = [
            *(one.dataset.structures for one in sets),
            *self._used_labels(),
            *(shard for one in sets for shard in one.shards),
            *self.shown.complexity,
            *(
                part
                for dataset in described
                for descriptor in self.descriptors
                for part in dataset.descriptors(descriptor)
            ),
        ]
        return [paths.rejections(table) for table in dict.fromkeys(tables)]

    @property
    def _infomax(self) -> Options:
        section: Options = self.config["infomax"]
        return section

    @property
    def _ensembles_shown(self) -> list[Ensemble]:
        return self._ensembles([run for run in self.config["runs"] if run["figures"]])

    def _ensembles(self, runs: list[Options]) -> list[Ensemble]:
        """The settings of some entries of `runs`, each once, with the seeds of all of them."""
        seeds: dict[Setting, dict[int, None]] = {}
        for run in runs:
            for task in run["tasks"]:
                setting = self.setting(run["dataset"], run["n"], task, run["variant"])
                seeds.setdefault(setting, {}).update(dict.fromkeys(run["seeds"]))
        return [Ensemble(setting, tuple(own)) for setting, own in seeds.items()]

    def _experiment(self, options: Options) -> Experiment:
        other, ablation = options["supervised"], options["ablation"]
        return Experiment(
            name=options["name"],
            crystals=self.featurised(options["dataset"], options["n"]),
            task=options["task"],
            pretraining=self.pretraining(options["pretraining"]),
            ablation=self.pretraining(ablation) if ablation else None,
            supervised=self.run(other["dataset"], options["n"], other["task"], ENCODER, seed=0)
            if other
            else None,
            figure=options["figure"],
            infomax=self._infomax,
        )

    def _learned_from(self, folder: Path) -> list[FewLabels]:
        """Experiments on few labels with an encoder of a folder."""
        return [one for one in self.learned if any(folder in w.parents for w in one.weights)]

    def _weights(self, encoder: str) -> Path:
        """Of a pre-training or run of the configuration, or a path as it is."""
        if encoder in self._infomax["pretrainings"]:
            return Path(self.pretraining(encoder).weights)
        if run := RUN_NAME.fullmatch(encoder):
            return Path(self.run(**run.groupdict()).file("model.safetensors"))
        return Path(encoder)

    def _shown_in(self, figure: str) -> Experiments:
        return Experiments(one for one in self.experiments if one.figure == figure)

    @property
    def _pretrained(self) -> list[Pretraining]:
        """The pre-trainings that an experiment or a run uses."""
        known = self._infomax["pretrainings"]
        started = dict.fromkeys(run.pretraining for run in self.runs if run.pretraining in known)
        return [*self.pretrainings, *(self.pretraining(str(name)) for name in started)]

    def _used_labels(self) -> list[str]:
        """Tables of labels that something is trained on or divided by."""
        return [
            *(one.setting.crystals.dataset.labels(one.setting.task) for one in self.trained),
            *(labels for one in self._pretrained for labels in one.labels),
            *(one.labels for one in self.experiments),
            *(
                one.supervised.setting.crystals.dataset.labels(one.supervised.setting.task)
                for one in self.experiments
                if one.supervised
            ),
        ]

    def _used_sets(self) -> list[FeaturisedSet]:
        """Crystals that something is computed from, each set once."""
        used = [
            *self.featurised_sets,
            *(one.crystals for one in self._pretrained),
            *(one.crystals for one in self.experiments),
            *(one.supervised.setting.crystals for one in self.experiments if one.supervised),
        ]
        return list(dict.fromkeys(used))
