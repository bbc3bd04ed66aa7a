"""Groups of options: checks, defaults that subclasses replace, plain values and back."""

from dataclasses import MISSING, dataclass
from typing import Literal

import pytest

from sitenet.options.configuration import Configuration
from sitenet.options.datasets import CifFolderSource, SplitSettings, TableSource
from sitenet.options.infomax import EncoderSettings, InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.option import Options, option, options_of, required
from sitenet.options.search import SearchRanges, SearchSection, SearchSettings
from sitenet.options.training import FewLabelsTraining, TrainingSettings


@dataclass(frozen=True)
class Example(Options):
    """A group with every kind of limit."""

    needed: int = required("Needed.", at_least=2)
    share: float = option(0.5, "Share.", more_than=0, less_than=1)
    widths: tuple[int, ...] = option((8,), "Widths.", at_least=1, at_most=9)
    kinds: tuple[Literal["a", "b"], ...] = option(
        ("a", "b"), "Kinds.", not_empty=True, not_only="b"
    )
    size: int | None = option(None, "Size.", at_least=1)
    internal: Literal["x", "y"] = "x"


@dataclass(frozen=True)
class Changed(Example):
    """The same with another default."""

    share: float = 0.25


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"needed": 1}, "needed must be at least 2, not 1"),
        ({"share": 0}, "share must be more than 0, not 0"),
        ({"share": 1.0}, "share must be less than 1, not 1.0"),
        ({"widths": (3, 0)}, "widths must be at least 1, not 0"),
        ({"widths": (3, 10)}, "widths must be at most 9, not 10"),
        ({"kinds": ()}, "kinds must be given, not empty"),
        ({"kinds": ("b",)}, "kinds must be given, not only b"),
        ({"kinds": ("a", "c")}, "kinds must be one of a, b, not 'c'"),
        ({"size": 0}, "size must be at least 1, not 0"),
        ({"internal": "z"}, "internal must be one of x, y, not 'z'"),
    ],
)
@pytest.mark.parametrize("group", [Example, Changed])
def test_values_beyond_the_limits_are_refused(
    group: type[Example], values: dict, problem: str
) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        group(**{"needed": 2, **values})


def test_values_at_the_limits_are_accepted() -> None:
    Example(2, share=0.999, widths=(1, 9), kinds=("a",), size=1, internal="y")
    Example(2, widths=(), kinds=("b", "a"), size=None)


def test_a_new_default_keeps_description_and_limits() -> None:
    ours, theirs = ({o.name: o for o in options_of(group)} for group in (Changed, Example))
    assert ours["share"].default == 0.25
    assert (ours["share"].text, ours["share"].limits) == (
        theirs["share"].text,
        theirs["share"].limits,
    )
    assert list(ours) == list(theirs) == ["needed", "share", "widths", "kinds", "size"]
    assert ours["needed"].default is MISSING


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(attention_layers=(32, 64), cutoff=5.0),
        EncoderSettings(),
        InfoMaxSettings(false_samples=("polymorph", "permutation")),
        TrainingSettings(seed=3, train_size=10),
        FewLabelsTraining(),
        SplitSettings(kind="column", column="part"),
        SearchSettings(max_epochs=9, ranges=SearchRanges(heads=(2, 2))),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_settings_survive_json(settings: Options) -> None:
    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return list(value) if isinstance(value, tuple) else value

    assert type(settings).from_dict(plain(settings.to_dict())) == settings


def test_unknown_names_raise() -> None:
    with pytest.raises(TypeError, match="head"):
        ModelSettings.from_dict({"head": 1})


def test_a_configuration_is_typed_down_to_its_leaves() -> None:
    task = {"column": "e", "unit": "eV"}
    config = Configuration.from_dict({
        "datasets": {
            "t": {"source": {"kind": "table", "path": "t.csv", "ids": {"path": "i.csv"}},
                  "tasks": {"e": task}},
            "f": {"source": {"kind": "cif_folder", "path": "cifs"}, "tasks": {"e": task}},
        },
        "variants": {"v": {"model": {"heads": 1}}},
        "tuning": {"s": {"dataset": "t", "n": 50, "task": "e", "ranges": {"heads": [1, 2]}}},
        "infomax": {"experiments": [{"name": "x", "dataset": "t", "n": 50, "task": "e",
                                     "pretraining": "p",
                                     "supervised": {"dataset": "f", "task": "e"}}]},
        "runs": [{"dataset": "t", "n": 50, "tasks": ["e"]}],
    })  # fmt: skip
    table, folder = config.datasets["t"].source, config.datasets["f"].source
    assert isinstance(table, TableSource)
    assert table.ids is not None
    assert (table.ids.path, table.ids.id, table.cif) == ("i.csv", "id", "cif")
    assert folder == CifFolderSource(path="cifs")
    assert config.variants["v"].model == {"heads": 1}
    assert isinstance(config.tuning["s"], SearchSection)
    assert config.tuning["s"].ranges == SearchRanges(heads=(1, 2))
    (experiment,) = config.infomax.experiments
    assert experiment.supervised is not None
    assert experiment.supervised.dataset == "f"
    assert config.runs[0].seeds == (0,)
    assert config.infomax.model.heads == 1


def test_a_source_of_no_known_kind_is_refused() -> None:
    dataset = {"source": {"kind": "web"}, "tasks": {"e": {"column": "e", "unit": "eV"}}}
    with pytest.raises(ValueError, match=r"^kind must be one of prototypes, .*, not 'web'$"):
        Configuration.from_dict({"datasets": {"w": dataset}, "runs": []})
