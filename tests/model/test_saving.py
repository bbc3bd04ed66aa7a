"""Models on disk: what is written comes back; what is damaged or foreign is refused by name."""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from attention_models import SETTINGS, saved_model
from safetensors.torch import load_file, save_file

from sitenet.model.description import UnusableModel, read_description
from sitenet.model.saving import load_encoder, load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return saved_model(tmp_path)


def description(weights: Path) -> dict:
    return json.loads(weights.with_suffix(".json").read_text())


def change_description(weights: Path, **sections: object) -> None:
    content = {name: value for name, value in (description(weights) | sections).items()
               if value is not None}  # fmt: skip
    weights.with_suffix(".json").write_text(json.dumps(content))


def test_a_model_comes_back(weights: Path):
    model = load_model(weights)
    assert model.settings == SETTINGS
    assert not model.training
    assert read_description(weights).unit() == "eV"
    assert read_description(weights).features() == FeatureSettings(n_atoms=50)
    before = load_file(weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_settings_of_an_earlier_version_have_the_defaults_of_new_options(weights: Path):
    model = description(weights)["model"]
    del model["cutoff"], model["local_size"]
    change_description(weights, model=model)
    assert load_model(weights).settings == SETTINGS


def cut_off(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])


def cut_off_in_the_header(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:50])


def empty(weights: Path) -> None:
    weights.write_bytes(b"")


def text(weights: Path) -> None:
    weights.write_text("version https://git-lfs.github.com/spec/v1\n")


class Evil:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        return (Path.write_text, (Path("evil.txt"), "run"))


def pickled(weights: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3), "evil": Evil()}, buffer)
    weights.write_bytes(buffer.getvalue())


def plainly_pickled(weights: Path) -> None:
    weights.write_bytes(pickle.dumps(Evil()))


def of_another_program(weights: Path) -> None:
    save_file({"model.embed.weight": torch.zeros(5, 3)}, weights)


def of_another_size(weights: Path) -> None:
    other = SiteNet(replace(SETTINGS, post_pool_layers=(9,)))
    save_file(other.state_dict(), weights)


def without_a_tensor(weights: Path) -> None:
    state = load_file(weights)
    del state["decoder.bias"]
    save_file(state, weights)


def with_nan(weights: Path) -> None:
    state = load_file(weights)
    state["decoder.weight"][0, 1] = torch.nan
    save_file(state, weights)


def with_infinity(weights: Path) -> None:
    state = load_file(weights)
    state["label_scale"] = torch.tensor(torch.inf)
    save_file(state, weights)


def of_whole_numbers(weights: Path) -> None:
    state = {name: tensor.to(torch.int8) for name, tensor in load_file(weights).items()}
    save_file(state, weights)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut_off, "is no safetensors file, or damaged"),
        (cut_off_in_the_header, "is no safetensors file, or damaged"),
        (empty, "is no safetensors file, or damaged"),
        (text, "is no safetensors file, or damaged"),
        (pickled, "is no safetensors file, or damaged"),
        (plainly_pickled, "is no safetensors file, or damaged"),
        (Path.unlink, "does not exist"),
        (of_another_program, "is smaller than its description says"),
        (of_another_size, r"post_pool.0.linear.weight has the shape \(9, 6\), not \(5, 6\)"),
        (without_a_tensor, "decoder.bias is missing"),
        (with_nan, "decoder.weight holds values that are not finite numbers"),
        (with_infinity, "label_scale holds values that are not finite numbers"),
        (of_whole_numbers, "holds values that are not finite numbers"),
    ],
)
def test_damaged_and_foreign_weights_are_told(
    weights: Path, damage: Callable, told: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(weights.parent)
    damage(weights)
    with pytest.raises(UnusableModel, match=told) as error:
        load_model(weights)
    assert str(weights) in str(error.value)
    assert not Path("evil.txt").exists()


def test_a_folder_is_no_model(weights: Path):
    with pytest.raises(UnusableModel, match=r"is a folder: give its file model\.safetensors"):
        load_model(weights.parent)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("\x80\udcff", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is not the description of a model"),
        ('{"architectures": ["Other"]}', "has no section `model`"),
        ('{"model": []}', "has no section `model`"),
        ('{"model": "' + "x" * 2**20 + '"}', "too large"),
    ],
)
def test_damaged_and_foreign_descriptions_are_told(weights: Path, content: str, told: str):
    weights.with_suffix(".json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UnusableModel, match=told):
        load_model(weights)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("heads", 2.0, "heads must not be 2.0"),
        ("heads", "2", "heads must not be '2'"),
        ("heads", True, "heads must not be True"),
        ("heads", 0, "heads must be at least 1, not 0"),
        ("norm", ["layer"], "norm must not be"),
        ("norm", "other", "norm must not be 'other'"),
        ("attention_layers", 7, "attention_layers must not be 7"),
        ("attention_layers", [7.5], "attention_layers must not be"),
        ("pre_pool_layers", [-1], "pre_pool_layers must be at least 1"),
        ("cutoff", float("nan"), "cutoff must not be nan"),
        ("cutoff", -1.0, "cutoff must be more than 0"),
        ("__class__", "x", "__class__ is unknown"),
        ("hooks", "/etc/passwd", "hooks is unknown"),
    ],
)
def test_settings_that_no_configuration_has_are_told(
    weights: Path, option: str, value: object, told: str
):
    change_description(weights, model=description(weights)["model"] | {option: value})
    with pytest.raises(UnusableModel, match=rf"model\.json: model\.{told}"):
        load_model(weights)


@pytest.mark.parametrize(
    "settings",
    [{"embedding_size": 10**9}, {"blocks": 10**9}, {"heads": 10**7}, {"head_layers": [10**4] * 9}],
)
def test_a_description_cannot_ask_for_memory(
    weights: Path, settings: dict, monkeypatch: pytest.MonkeyPatch
):
    """The model is not made: it would take gigabytes to hours."""
    change_description(weights, model=description(weights)["model"] | settings)
    monkeypatch.setattr(SiteNet, "__init__", lambda *_: pytest.fail("the model was made"))
    with pytest.raises(UnusableModel, match=r"smaller than its description says|must be at most"):
        load_model(weights)


@pytest.mark.parametrize(
    "settings",
    [{}, {"blocks": 1}, {"blocks": 3, "local_size": 2, "pooling": "self_attention"},
     {"norm": "none", "embedding_size": 0, "interaction_features": "distance"},
     {"attention_layers": (), "pre_pool_layers": (), "post_pool_layers": (),
      "head_layers": (3, 4)}],
)  # fmt: skip
def test_models_of_every_shape_come_back(tmp_path: Path, settings: dict):
    wanted = replace(SETTINGS, **settings)
    assert load_model(saved_model(tmp_path, wanted)).settings == wanted
    assert load_model(saved_model(tmp_path, ModelSettings(**settings))).settings.heads == 3


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"label": None}, "names no label"),
        ({"label": {"column": "gap"}}, "label.unit must be text, not None"),
        ({"label": "eV"}, "label.unit must be text"),
        ({"label": {"unit": "e\nV"}}, "label.unit must be text"),
    ],
)
def test_a_model_without_a_label_is_told(weights: Path, sections: dict, told: str):
    change_description(weights, **sections)
    with pytest.raises(UnusableModel, match=told):
        read_description(weights).unit()


def test_features_are_checked_like_settings(weights: Path):
    change_description(weights, features={"n_atoms": "50"})
    with pytest.raises(UnusableModel, match=r"features\.n_atoms must not be '50'"):
        read_description(weights).features()
    for n_atoms in (0, -5, 10**9):
        change_description(weights, features={"n_atoms": n_atoms})
        with pytest.raises(UnusableModel, match=rf"from 1 to 10,000, not {n_atoms}"):
            read_description(weights).features()
    change_description(weights, features=None)
    with pytest.raises(UnusableModel, match="no section `features`"):
        read_description(weights).features()


def test_an_encoder_from_a_damaged_file_is_refused(weights: Path):
    model = SiteNet(SETTINGS)
    with_nan(weights)
    with pytest.raises(UnusableModel, match="not finite"):
        load_encoder(model, weights)
    cut_off(weights)
    with pytest.raises(UnusableModel, match="damaged"):
        load_encoder(model, weights)
