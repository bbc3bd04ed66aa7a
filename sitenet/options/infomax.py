"""Options of Deep InfoMax (doi:10.1039/d4dd00202d)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sitenet.options.features import SCALINGS, SiteFeatureScaling
from sitenet.options.model import ModelSettings
from sitenet.options.option import LARGEST_N, LARGEST_SEED, Name, Options, option, required
from sitenet.options.representation import RepresentationSection
from sitenet.options.training import PretrainingSettings, TrainingSettings
from sitenet.options.transfer import TransferSection

FalseSample = Literal["other_crystal", "polymorph", "composition", "permutation"]
Variance = Literal["linear", "vector"]
FALSE_SAMPLES: tuple[FalseSample, ...] = get_args(FalseSample)

NO_GEOMETRY = (
    "model.site_geometry must be false: false samples have other elements on the sites of a "
    "crystal, whose geometry is not that of the crystal, and would tell hidden elements"
)
"""Why an encoder cannot be pre-trained with it."""


@dataclass(frozen=True)
class InfoMaxSettings(Options):
    """What true samples are told from, and how the losses are added.

    The defaults are those of doi:10.1039/d4dd00202d, except for `variance`.
    """

    upscaling_layers: tuple[int, ...] = option(
        (64, 128),
        "Widths of the networks on both sides of a score, which is the dot product of their "
        "outputs.",
        at_least=1,
    )
    false_samples: tuple[FalseSample, ...] = option(
        FALSE_SAMPLES,
        "Kinds of false samples. `other_crystal`: another crystal. `polymorph`: the crystal's "
        "elements in another structure. `composition`: other elements in the crystal's structure. "
        "`permutation`: the crystal's elements on exchanged sites (global level only, so never "
        "alone).",
        not_empty=True,
        unique=True,
        not_only="permutation",
    )
    local_weighting: Literal["uniform", "inverse_square"] = option(
        "uniform",
        "Weight of the atoms around a site: all alike, or (1 + d)^-2 at the distance d (Å), as in "
        "the published code.",
    )
    variance: Variance = option(
        "linear",
        "Variance of the noise on a representation. `linear`: its logarithm is a linear layer of "
        "the representation. `vector`: a learned number for each channel, the same for all "
        "crystals, as in the paper.",
    )
    alpha: float = option(1.0, "Weight of the score losses.", at_least=0)
    beta: float = option(0.1, "Weight of the KL divergences.", at_least=0)
    site_feature_scaling: SiteFeatureScaling = "dim"
    """Of the constituents; set by the section `infomax`."""


@dataclass(frozen=True)
class PretextSettings(Options):
    """What an encoder learns without labels in place of Deep InfoMax. Not in the papers."""

    computed: float = option(
        2.0,
        "Weight of the mean absolute error in numbers that are computed from the crystal: bonds, "
        "coordination, packing, electrostatic potentials, bond valences, each in normal scores.",
        more_than=0,
    )
    hidden: float = option(
        1.0,
        "Weight of the cross-entropy in the element of the sites that are hidden; with 0 none is "
        "hidden.",
        at_least=0,
    )
    hidden_share: float = option(
        0.5,
        "Share of the crystals in which one element is hidden on all of its sites, drawn anew in "
        "every epoch.",
        more_than=0,
        at_most=1,
    )


@dataclass(frozen=True)
class EncoderSettings(ModelSettings):
    """The encoder; the defaults are those of doi:10.1039/d4dd00202d.

    Trained with labels, it is the variant named `encoder`.
    """

    embedding_size: int = 0
    site_features_per_head: int = 64
    interaction_features_per_head: int = 64
    heads: int = 1
    blocks: int = 1
    attention_layers: tuple[int, ...] = (64,)
    pre_pool_layers: tuple[int, ...] = (64, 128)
    post_pool_layers: tuple[int, ...] = (64,)
    head_layers: tuple[int, ...] = (64,)
    interaction_features: Literal["distance_coulomb", "distance"] = "distance"


@dataclass(frozen=True)
class PretrainingSection(Options):
    """A pre-training on the training part of a split, or on all crystals; no label is read."""

    dataset: str = required("Name of a data set.")
    n: int = required("N: largest number of atoms of a supercell.", at_least=1, at_most=LARGEST_N)
    split: str | None = option(
        None,
        "Name of one of its tasks, whose split is used; null: all crystals of the data set, those "
        "without labels, too, of which `split.validation` of the data set, by formula, are for "
        "validation.",
    )
    seed: int = option(
        0, "Seed of weights, batches, noise and false samples.", at_least=0, at_most=LARGEST_SEED
    )
    variant: str | None = option(
        None,
        "Variant whose network is the encoder, for trainings that start from it "
        "(`variants.NAME.pretrainings`); null takes `infomax.model`.",
    )
    hold_out: tuple[str, ...] = option(
        (),
        "Names of data sets whose crystals are left out, recognised by their formulas, since ids "
        "mean nothing in another data set. The test crystals of the experiments and runs that use "
        "the pre-training are always left out.",
        unique=True,
    )
    false_samples: tuple[FalseSample, ...] | None = option(
        None,
        "Kinds of false samples; null takes those of `loss`.",
        not_empty=True,
        unique=True,
        not_only="permutation",
    )
    pretext: PretextSettings | None = option(
        None,
        "Learn to tell numbers that are computed from the crystal, and elements that are hidden, "
        "in place of Deep InfoMax; null: Deep InfoMax. Not in the papers.",
    )


@dataclass(frozen=True)
class OtherTask(Options):
    """The task whose labels train the encoder of the third arm of a transfer."""

    dataset: str = required("Name of a data set.")
    task: str = required("Name of one of its tasks.")


@dataclass(frozen=True)
class ExperimentSection(Options):
    """A task that is learned from few labels."""

    name: Name = required("Name, unique among the experiments.")
    dataset: str = required("Name of a data set.")
    n: int = required("N: largest number of atoms of a supercell.", at_least=1, at_most=LARGEST_N)
    task: str = required("Name of one of its tasks.")
    pretraining: str = required("Name of the pre-training of the encoder.")
    ablation: str | None = option(None, "Name of a pre-training to compare with; null: none.")
    supervised: OtherTask | None = option(
        None, "Another task whose labels train the encoder of a third arm; null: no such arm."
    )
    figure: Literal["main", "phonons"] = option(
        "main", "Figures that show the experiment: 7 to 11 (`main`) or 13 (`phonons`)."
    )


@dataclass(frozen=True)
class InfoMaxSection(Options):
    """Representations learned without labels, and what they are worth where labels are few."""

    model: EncoderSettings = option(EncoderSettings(), "Architecture of the encoder.")
    site_feature_scaling: SiteFeatureScaling = option(
        "dim",
        "Scale of the tabulated properties of the elements, in the encoder and in the loss. "
        f"{SCALINGS}",
    )
    loss: InfoMaxSettings = option(InfoMaxSettings(), "Loss of Deep InfoMax.")
    training: PretrainingSettings = option(PretrainingSettings(), "How encoders are pre-trained.")
    supervised: TrainingSettings = option(
        TrainingSettings(),
        "How the encoder is trained with labels: as variant `encoder`, and on all labels of "
        "another task for the third arm of the transfer.",
    )
    transfer: TransferSection = option(
        TransferSection(), "Training on few labels from several initial weights."
    )
    representation: RepresentationSection = option(
        RepresentationSection(), "Simple models on fixed representations, and maps of these."
    )
    pretrainings: Mapping[str, PretrainingSection] = option({}, "Pre-trainings, by name.")
    experiments: tuple[ExperimentSection, ...] = option((), "Tasks to learn from few labels.")
