"""The units in which a network predicts its label: fitted to the labels that it is trained on."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.model.base import SiteNetParameters
from sitenet.model.inference import batches_in_order
from sitenet.options.training import LabelScaling
from sitenet.shards.batch import RaggedBatch
from sitenet.train.data import TaskData

PENALTIES = np.logspace(-4, 2, 13)
"""Of the ridge regression; the errors of leaving one crystal out choose among them."""


def set_label_units(
    model: SiteNetParameters, data: TaskData, fitting: Tensor, scaling: LabelScaling
) -> None:
    """Fit shift and scale of the label, and what composition tells of it, to crystals `fitting`.

    With `composition_reference` the network predicts the rest that a ridge regression on the
    fractions of the elements leaves; with `standard` scaling standard deviations from the mean.
    """
    crystals = fitting.numpy()
    labels = data.target[crystals]
    if model.settings.composition_reference:
        fractions = _fractions(data, crystals, len(model.element_reference))
        constant, reference = _ridge(fractions, labels)
        model.element_reference.copy_(torch.from_numpy(reference))
        model.label_shift.fill_(constant)
        labels = labels - fractions @ reference
    if scaling == "standard":
        model.scale_labels(torch.from_numpy(labels))


def _fractions(data: TaskData, crystals: NDArray[np.int64], elements: int) -> NDArray[np.float64]:
    """Fractions (n, elements) of the elements, by atomic number, of crystals (n,)."""

    def of(batch: RaggedBatch) -> Tensor:
        share = (batch.site_weight / batch.sizes[batch.crystal]).double()
        place = batch.crystal * elements + batch.numbers
        table = share.new_zeros(len(batch.sizes) * elements).index_add(0, place, share)
        return table.view(-1, elements)

    order = np.argsort(crystals)
    batches = batches_in_order(data.store, crystals=crystals[order])
    fractions = np.empty((len(crystals), elements))
    fractions[order] = torch.cat([of(batch) for batch in batches]).cpu().numpy()
    return fractions


def _ridge(
    fractions: NDArray[np.float64], labels: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Constant, and coefficient of each element."""
    from sklearn.linear_model import RidgeCV  # takes a second to import, and few trainings need it

    present = np.flatnonzero(fractions.any(axis=0))
    fitted = RidgeCV(PENALTIES).fit(fractions[:, present], labels)
    reference = np.zeros(fractions.shape[1])
    reference[present] = fitted.coef_
    return float(fitted.intercept_), reference
