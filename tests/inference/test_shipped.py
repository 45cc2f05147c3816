"""Which network a name or a scale means, and what opens it."""

from __future__ import annotations

import numpy as np
import pytest

import slimsr
from slimsr.errors import ConfigError, WeightsError
from slimsr.inference import runtime as runtime_module
from slimsr.inference import shipped
from slimsr.inference.source import ModelSpec, open_source
from tests.shipped import WIDTHS, put_shipped


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder of photo_x2, classic_x2 and classic_x3."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("photo_x2", "classic_x2", "classic_x3"):
        put_shipped(folder, name, int(name[-1]))
    return folder


@pytest.fixture(autouse=True)
def here(models, monkeypatch, tmp_path):
    monkeypatch.setenv(shipped.ENVIRONMENT, str(models))
    monkeypatch.chdir(tmp_path)


def test_names_and_folders(models):
    names = ["classic_x2", "classic_x3", "photo_x2"]
    assert shipped.shipped_models() == {name: models / name for name in names}
    assert shipped.about(models / "photo_x2") == "For tests, and nothing else."
    assert shipped.about(models) == ""


def test_without_the_variable_they_lie_beside_the_package(monkeypatch, repo):
    monkeypatch.delenv(shipped.ENVIRONMENT)
    assert shipped.models_folder().resolve() == repo / "models"


def test_the_one_that_a_scale_means(monkeypatch):
    assert shipped.default_model() == "photo_x2"
    assert shipped.default_model(3) == "classic_x3"
    with pytest.raises(ConfigError, match=r"--scale 4 alone .*classic_x2, classic_x3, photo_x2\)"):
        shipped.default_model(4)
    monkeypatch.setenv(shipped.ENVIRONMENT, "nowhere")
    with pytest.raises(ConfigError, match="none in nowhere"):
        shipped.default_model()


def test_a_path_wins_over_a_name(models, tmp_path):
    assert shipped.find_model_path("classic_x3") == models / "classic_x3"
    assert shipped.shipped_name("classic_x3") == "classic_x3"
    (tmp_path / "classic_x3").mkdir()
    assert str(shipped.find_model_path("classic_x3")) == "classic_x3"
    assert shipped.shipped_name("classic_x3") is None
    assert shipped.shipped_name(None) is None


@pytest.mark.parametrize(
    "name, words",
    [
        (
            "foto_x2",
            r"no model at foto_x2: .* ships with SlimSR: did you mean 'photo_x2'\? known: ",
        ),
        ("some/photo_x2", r"no model at some/photo_x2: give a file or folder of export\.py$"),
    ],
)
def test_a_name_that_nothing_has(name, words):
    with pytest.raises(WeightsError, match=words):
        shipped.find_model_path(name)


def test_names_in_the_python_interface():
    picture = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    model = slimsr.open_model("classic_x3", 0.5)
    assert (model.scale, model.width, model.widths) == (3, 0.5, tuple(WIDTHS))
    assert model.enlarge(picture).shape == (27, 33, 3)


def test_without_openvino_its_checkpoint_serves(models, monkeypatch):
    batch = np.random.default_rng(0).uniform(0, 255, (1, 3, 9, 11)).astype(np.float32)
    spec = ModelSpec(model="photo_x2")
    expected = None
    if runtime_module.openvino_installed():
        expected = open_source(spec).load(0.5).run(batch).copy()
    monkeypatch.setattr(runtime_module, "openvino_installed", lambda: False)
    source = open_source(spec)
    assert list(source.widths) == WIDTHS
    loaded = source.load(0.5)
    assert loaded.name == "mindspore"
    if expected is not None:
        np.testing.assert_allclose(loaded.run(batch), expected, atol=1e-2)
    assert shipped.shipped_checkpoint("photo_x2") == models / "photo_x2" / "photo_x2.ckpt"


def test_another_checkpoint_in_the_folder_is_refused(models, tmp_path, monkeypatch):
    folder = put_shipped(tmp_path / "own", "photo_x2")
    (folder / "photo_x2.ckpt").write_bytes((models / "classic_x2" / "classic_x2.ckpt").read_bytes())
    monkeypatch.setenv(shipped.ENVIRONMENT, str(folder.parent))
    spec = ModelSpec(model="photo_x2", runtime="mindspore")
    with pytest.raises(WeightsError, match="is not the checkpoint that the manifest"):
        open_source(spec)
    (folder / "photo_x2.ckpt").unlink()
    with pytest.raises(WeightsError, match="lists no MINDIR model"):
        open_source(spec)
    with pytest.raises(WeightsError, match="holds no checkpoint"):
        shipped.shipped_checkpoint("photo_x2")
