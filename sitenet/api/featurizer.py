"""`SiteNetFeaturizer`: vectors of a trained model as features of matminer."""

import multiprocessing
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matminer.featurizers.base import BaseFeaturizer

from sitenet.api.given import given_crystals
from sitenet.api.predictor import Predictor
from sitenet.api.reading import read_one
from sitenet.shards.store import CrystalStore

CITATIONS = [
    "@article{moran2023sitenet, title={Site-Net: using global self-attention and real-space "
    "supercells to capture long-range interactions in crystal structures}, author={Moran, Michael "
    "and Gaultois, Michael W. and Gusev, Vladimir V. and Rosseinsky, Matthew J.}, "
    "journal={Digital Discovery}, year={2023}, doi={10.1039/d3dd00005b}}",
    "@article{moran2025infomax, title={Establishing Deep InfoMax as an effective self-supervised "
    "learning methodology in materials informatics}, author={Moran, Michael and Gaultois, Michael "
    "W. and Gusev, Vladimir V. and Antypov, Dmytro and Rosseinsky, Matthew J.}, "
    "journal={Digital Discovery}, year={2025}, doi={10.1039/d4dd00202d}}",
]


class SiteNetFeaturizer(BaseFeaturizer):
    """The vector of a crystal in a trained Site-Net: from a label, or from Deep InfoMax.

    `featurize_many`, `featurize_dataframe` and `transform` read crystals on all cores and compute
    them in batches. `MultipleFeaturizer` does the same with `iterate_over_entries=False`.

    Args:
        model: as for `Predictor.load`; one run, not an ensemble.
        local: means of the atoms' vectors instead of the crystal's vector Z.
        device: `auto`, `cpu` or `gpu`.
        workers: processes that read crystals; None for one per core.

    Features:
        SiteNet z1, SiteNet z2, ...: the components, without unit.
    """

    def __init__(
        self, model: str = "", local: bool = False, device: str = "auto", workers: int | None = None
    ) -> None:
        self.model, self.local = model, local
        self.device, self.workers = device, workers

    def featurize(self, structure: Any) -> list[float]:
        """The vector of one crystal in any form that `given_crystals` takes.

        Raises ValueError or RejectedCrystal with the reason if it cannot be used.
        """
        (given,) = given_crystals([structure])
        predictor = self._predictor()
        crystal, _ = read_one(given, predictor.ensemble.features)
        vector = predictor.vectors(CrystalStore.from_crystals([given.id], [crystal]), self.local)
        return [float(value) for value in vector[0]]

    def featurize_many(
        self,
        entries: Sequence[Any],
        ignore_errors: bool = False,
        return_errors: bool = False,
        pbar: bool = True,
    ) -> list[list[Any]]:
        """Vectors of many crystals: guarded, on all cores and in batches.

        Args:
            entries: (n,) crystals or rows of one crystal each.
            ignore_errors: NaN for crystals that cannot be used, else ValueError at the first.
            return_errors: the reason as one more element, NaN without.
            pbar: not used: progress is logged.
        """
        if return_errors and not ignore_errors:
            raise ValueError("Please set ignore_errors to True to use return_errors.")
        if multiprocessing.current_process().daemon:  # which can have no processes itself
            one_by_one = (self.featurize_wrapper([_only(entry)], return_errors, ignore_errors)
                          for entry in entries)  # fmt: skip
            return list(one_by_one)
        found: list[list[Any]] = []
        crystals = [_only(entry) for entry in entries]
        for _, problem, _, *vector in self._predictor().stream_vectors(
            crystals, local=self.local, workers=self.workers
        ):
            if problem and not ignore_errors:
                raise ValueError(
                    f"crystal {len(found)}: {problem} (ignore_errors=True skips such crystals)"
                )
            values = [np.nan if value is None else value for value in vector]
            found.append([*values, problem or np.nan] if return_errors else values)
        return found

    def feature_labels(self) -> list[str]:
        """SiteNet z1, ...; SiteNet local z1, ... with `local`."""
        beginning = "SiteNet local" if self.local else "SiteNet"
        names = self._predictor().vector_columns(self.local)[3:]
        return [f"{beginning} {name}" for name in names]

    def citations(self) -> list[str]:
        """The two papers, as BibTeX."""
        return list(CITATIONS)

    def implementors(self) -> list[str]:
        """Of this package."""
        return ["the authors of sitenet"]

    def __getstate__(self) -> dict[str, Any]:
        """Without the loaded model: another process reads it anew."""
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def _predictor(self) -> Predictor:
        """The model, read once, on the CPU and one thread in processes forked from another one."""
        child = multiprocessing.current_process().daemon
        key = (self.model, "cpu" if child else self.device, multiprocessing.current_process().pid)
        known, predictor = getattr(self, "_loaded", (None, None))
        if known != key or predictor is None:
            if child:
                torch.set_num_threads(1)
            predictor = Predictor.load(self.model, key[1])
            self._loaded = (key, predictor)
        return predictor


def _only(entry: Any) -> Any:
    """The crystal of a row, which matminer gives as a list, tuple or array of one."""
    row = isinstance(entry, list | tuple | np.ndarray) and len(entry) == 1
    return entry[0] if row else entry
