"""`SiteNetRegressor`: Site-Net as an estimator of scikit-learn, from structures to a label."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from sitenet.api.ensemble import chosen_device
from sitenet.api.fitting import Chosen, Labelled, fit_in
from sitenet.api.given import given_crystals
from sitenet.api.predictor import Predictor
from sitenet.api.reading import read_all
from sitenet.files import atomic_path, read_json, write_json
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings, Output
from sitenet.options.training import TrainingSettings
from sitenet.progress import log

PARAMETERS = "estimator.json"


class SiteNetRegressor(RegressorMixin, BaseEstimator):
    """A Site-Net that is trained by `fit(structures, y)` and applied by `predict(structures)`.

    Structures are a list (or Series, or array of objects) of Structures of pymatgen, Atoms of ASE,
    CIF texts or paths of files. The estimator works in `cross_val_score`, `Pipeline`,
    `GridSearchCV` and `clone`; results depend on the data and `random_state` alone.

    Crystals that cannot be used, and those without a finite label, are left out of a fit and listed
    in `rejected_`; their predictions are NaN. Both are told by a warning.

    Args:
        n_atoms: N, largest number of atoms of a supercell.
        max_epochs: largest number of epochs.
        patience: epochs without a better validation error after which training ends.
        batch_sites: unique sites of a batch, on average.
        learning_rate: of AdamW.
        validation_fraction: share of the crystals, whole formulas, that choose the best epoch.
        output: `linear`, or `nonnegative` for labels that cannot be negative.
        model: further options of the network, as in the section `model` of a configuration.
        training: further options, as in the section `training`.
        features: further options, as in the section `features`.
        unit: of the label, for the files of the model.
        random_state: seed of the initial weights, the validation crystals and the batches.
        device: `auto` (a GPU if there is one), `cpu` or `gpu`.
        workers: processes that read and featurise; None for one per core.

    Attributes:
        predictor_: the `Predictor` of the trained model, with intervals and flags.
        rejected_: (place in X, reason) of the crystals that were not used.
        history_: a dictionary for each epoch.
    """

    def __init__(
        self,
        n_atoms: int = 50,
        max_epochs: int = 60,
        patience: int = 30,
        batch_sites: int = 300,
        learning_rate: float = 8.12e-4,
        validation_fraction: float = 0.1,
        output: Output = "linear",
        model: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | None = None,
        unit: str = "",
        random_state: int = 0,
        device: str = "auto",
        workers: int | None = None,
    ) -> None:
        self.n_atoms = n_atoms
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_sites = batch_sites
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.output = output
        self.model = model
        self.training = training
        self.features = features
        self.unit = unit
        self.random_state = random_state
        self.device = device
        self.workers = workers

    def __sklearn_tags__(self) -> Any:
        """X are crystals, not rows of numbers, and checked as such."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags

    def fit(self, X: Any, y: Any) -> "SiteNetRegressor":
        """Train on crystals X (n,) and their labels y (n,), in the label's unit.

        Raises:
            ValueError: X and y differ in length, a parameter has no sense, or there are fewer than
                four usable crystals.
        """
        chosen = self._chosen()
        device = chosen_device(self.device)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        target = np.asarray(y, dtype=np.float64)
        given = list(given_crystals(X))
        if target.ndim != 1 or len(target) != len(given):
            raise ValueError(
                f"X has {len(given)} crystals and y the shape {target.shape}: one label for each"
            )
        rejected, used, crystals = [], [], []
        read = read_all(given, chosen.features, workers=self.workers)
        for place, (_, (crystal, problem, _)) in enumerate(read):
            if crystal is not None and not math.isfinite(target[place]):
                problem = f"its label is {target[place]}"
            if problem or crystal is None:
                rejected.append((place, problem))
            else:
                used.append(place)
                crystals.append(crystal)
        _warn(rejected, len(given), "not trained on")
        if rejected and not used:
            raise ValueError(f"no crystal could be used; the first: {rejected[0][1]}")
        labelled = Labelled([str(place) for place in used], crystals, target[used])
        self._folder = TemporaryDirectory(prefix="sitenet-")
        folder = Path(self._folder.name)
        self.history_ = fit_in(folder, labelled, chosen, device.type)
        self.rejected_ = rejected
        self.predictor_ = Predictor.load(folder, self.device)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Labels (n,) of crystals X (n,); NaN for those that cannot be used, with a warning."""
        check_is_fitted(self, "predictor_")
        rows = list(self.predictor_.stream(X, workers=self.workers))
        problems = [(place, row.problem) for place, row in enumerate(rows) if row.problem]
        _warn(problems, len(rows), "not predicted")
        values = [math.nan if row.prediction is None else row.prediction for row in rows]
        return np.array(values, dtype=np.float64)

    def save(self, folder: str | Path) -> None:
        """Write the trained model to a folder, which `Predictor.load` reads too: no pickle.

        Raises NotFittedError, and OSError if there is no place for it.
        """
        check_is_fitted(self, "predictor_")
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self._files().items():
            with atomic_path(Path(folder) / name) as temporary:
                temporary.write_bytes(content)
        parameters = {name: _plain(value) for name, value in self.get_params().items()}
        more = {"rejected": self.rejected_, "history": self.history_}
        write_json(Path(folder) / PARAMETERS, {"parameters": parameters, **more})

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> "SiteNetRegressor":
        """Read what `save` wrote; nothing in it is executed. Raises UnusableModel or ValueError."""
        path = Path(folder) / PARAMETERS
        content = read_json(path)
        known = cls._get_param_names()
        if not isinstance(content, dict) or not set(content.get("parameters", [""])) <= {*known}:
            raise ValueError(f"{path} is not of a SiteNetRegressor of this program: save it anew")
        loaded = cls(**{**content["parameters"], "device": device})
        loaded._restore({
            path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()
        })  # fmt: skip
        loaded.rejected_ = [(place, reason) for place, reason in content["rejected"]]
        loaded.history_ = content["history"]
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes: the files of the model in place of its folder."""
        state = dict(super().__getstate__())
        if state.pop("_folder", None) is not None:
            del state["predictor_"]
            state["_content"] = self._files()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop("_content", None)
        super().__setstate__(state)
        if content is not None:
            self._restore(content)

    def _files(self) -> dict[str, bytes]:
        folder = Path(self._folder.name)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def _restore(self, files: Mapping[str, bytes]) -> None:
        self._folder = TemporaryDirectory(prefix="sitenet-")
        for name, content in files.items():
            (Path(self._folder.name) / name).write_bytes(content)
        self.predictor_ = Predictor.load(self._folder.name, self.device)

    def _chosen(self) -> Chosen:
        """The parameters as options, which are checked. Raises ValueError."""
        seed = self.random_state
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise ValueError(f"random_state must be a whole number, not {seed!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be between 0 and 1, not {self.validation_fraction!r}"
            )
        training = {
            "max_epochs": self.max_epochs,
            "patience": self.patience,
            "batch_sites": self.batch_sites,
            "learning_rate": self.learning_rate,
            "seed": int(seed),
            **(self.training or {}),
        }
        return Chosen(
            FeatureSettings.from_untrusted({"n_atoms": self.n_atoms, **(self.features or {})}),
            ModelSettings.from_untrusted({"output": self.output, **(self.model or {})}),
            TrainingSettings.from_untrusted(training),
            self.validation_fraction,
            unit=self.unit,
        )


def _warn(problems: list[tuple[int, str]], count: int, what: str) -> None:
    if problems:
        place, reason = problems[0]
        log.warning(
            f"{len(problems):,} of {count:,} crystals are {what}; the first is number {place}: "
            f"{reason}"
        )


def _plain(value: Any) -> Any:
    """A parameter for JSON: mappings as dictionaries, numbers of numpy as those of Python."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return json.loads(json.dumps(value, default=lambda number: number.item()))
