"""How a checkpoint becomes a network in models/, with its figures and its card."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.errors import ConfigError, OutputError, WeightsError
from slimsr.exported.manifest import digest, read_manifest
from slimsr.inference import runtime as runtime_module
from slimsr.inference import shipped
from slimsr.inference.source import CheckpointSource, ModelSpec, open_source
from slimsr.methods.start import load_teacher, start_network
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState, read_checkpoint, whole_mindir
from slimsr.weights.saving import save_checkpoint
from tests.system.tiny import put_pictures

CONFIG = {
    "method": {"name": "csd", "teacher": "/home/me/runs/teacher.ckpt", "widths": [0.5]},
    "data": {"train": "/home/me/pictures/cid22", "patch": 96},
    "train": {"batch": 4, "lr": 0.001},
}
WORDS = """
pictures: {noise: Noise of our own (CC0).}
models:
  tiny_x2:
    about: For tests, and for nothing else.
    recipe: None.
    hours: 0.5
    data: [noise]
    limits: Pictures.
"""


@pytest.fixture
def bench(monkeypatch, repo):
    """Import one of the scripts of benchmarks/."""
    monkeypatch.syspath_prepend(repo / "benchmarks")
    return importlib.import_module


def assert_same_weights(net, expected):
    found = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    for name, parameter in expected.parameters_and_names():
        np.testing.assert_array_equal(found.pop(name), parameter.asnumpy())
    assert not found


def put_checkpoint(folder, scale=2, **options):
    net = create_model("plain", scale=scale, n_feats=4, n_convs=1, **options)
    state = TrainingState(describe_network("plain", net), CONFIG, step=7, widths=[1.0, 0.5])
    save_checkpoint(folder / "best.ckpt", net, state)
    return folder / "best.ckpt"


def test_from_a_checkpoint_to_a_card_with_figures(bench, tmp_path):
    models, results = tmp_path / "models", tmp_path / "models.json"
    models.mkdir()
    folder = bench("ship_model").ship("tiny_x2", put_checkpoint(tmp_path), None, models)
    assert folder == models / "tiny_x2"
    manifest = read_manifest(folder)
    for file_format, precision in (("ONNX", "fp16"), ("MINDIR", "f32")):
        found = [(model.width, model.precision) for model in manifest.of_format(file_format)]
        assert found == [(1, precision), (0.5, precision)]
    own = folder / "tiny_x2.ckpt"
    assert manifest.source["checkpoint"] == own.name and manifest.source["sha256"] == digest(own)
    assert read_checkpoint(own).state.config["method"]["teacher"] == "teacher.ckpt"
    assert not any(b"/home/me" in path.read_bytes() for path in folder.iterdir())

    cards = bench("model_cards")
    assert cards.write_cards(models, results) == ["tiny_x2"]
    text = (folder / "MODEL_CARD.md").read_text()
    assert (
        "TODO" in text and "Not measured yet." in text and "`method.teacher=teacher.ckpt`" in text
    )
    (models / "cards.yaml").write_text(WORDS)
    assert cards.write_cards(models, results) == ["tiny_x2"]
    text = (folder / "MODEL_CARD.md").read_text()
    assert "TODO" not in text and "- Noise of our own (CC0).\n" in text

    data = put_pictures(tmp_path / "Set5", 1)
    figures = bench("shipped_models").measure(folder, str(data), str(data))
    assert figures["widths"]["1"]["ms_720p"] > 0
    theirs = {
        "name": "THEIRS",
        "scale": 2,
        "parameters": 100,
        "marks": ["m", "t"],
        "sets": {"Set5": 37.0, "Set14": 32.5},
        "ms_720p": 3.0,
    }
    whole = {"command": "python it", "models": {"tiny_x2": figures}, "published": [theirs]}
    bench("slimsr.files.writing").write_json(results, whole)
    assert cards.write_cards(models, results) == ["tiny_x2"]
    assert cards.write_cards(models, results, check=True) == []
    psnr = figures["sets"]["Set5"]["width 0.5"]["psnr"]
    assert f"| 0.5 | {psnr:.2f} / ." in (folder / "MODEL_CARD.md").read_text()
    page = bench("shipped_report").report(whole)
    assert "| **tiny_x2**, width 0.5 |" in page and "| THEIRS | 100 |" in page
    bench("shipped_report").plots(whole, tmp_path / "plot")
    assert all((tmp_path / f"plot_{name}.png").stat().st_size for name in ("parameters", "time"))


def test_a_network_that_does_not_enlarge_is_scored_on_jpegs(bench, tmp_path):
    (models := tmp_path / "models").mkdir()
    folder = bench("ship_model").ship("clean_x1", put_checkpoint(tmp_path, 1), [1.0], models)
    figures = bench("shipped_models").measure(folder, str(put_pictures(tmp_path / "Set5", 1)), None)
    assert list(figures["sets"]) == ["Set5, jpeg10", "Set5, jpeg20", "Set5, jpeg40"]
    whole = {"command": "python it", "models": {"clean_x1": figures}, "published": []}
    bench("slimsr.files.writing").write_json(results := tmp_path / "models.json", whole)
    page = bench("shipped_report").report(whole)
    psnr = figures["sets"]["Set5, jpeg20"]["input"]["psnr"]
    assert "## x1" in page and "| input | 0 |  |  | " in page and f"| {psnr:.2f} / ." in page
    bench("model_cards").write_cards(models, results)
    assert "| input | " in (folder / "MODEL_CARD.md").read_text()


def test_without_its_checkpoint_the_mindir_of_the_whole_width_serves(bench, tmp_path, monkeypatch):
    module, checkpoint = bench("ship_model"), put_checkpoint(tmp_path)
    (models := tmp_path / "models").mkdir()
    monkeypatch.setattr(module, "KEPT", 0)
    monkeypatch.setenv(shipped.ENVIRONMENT, str(models))
    folder = module.ship("tiny_x2", checkpoint, None, models)
    weights = folder / "plain_x2_w1.mindir"
    assert not list(folder.glob("*.ckpt")) and shipped.shipped_checkpoint("tiny_x2") == weights
    found, expected = read_checkpoint(weights), read_checkpoint(checkpoint)
    assert (found.state.network, found.state.step) == (expected.state.network, 7)
    assert found.state.widths == [1.0, 0.5]
    assert_same_weights(found.network(), expected.network())
    assert_same_weights(load_teacher("tiny_x2", {}, 2), expected.network())
    model = dict(expected.state.network, scale=4)
    started = start_network(model, "tiny_x2").body[0].conv.weight
    np.testing.assert_array_equal(started.asnumpy(), found.weights["body.0.conv.weight"])

    one, other = tmp_path / "one", tmp_path / "other"
    export_widths(checkpoint, [0.5], one, "ONNX")
    export_widths(weights, [0.5], other, "ONNX")
    assert digest(one / "plain_x2_w0.5.onnx") == digest(other / "plain_x2_w0.5.onnx")
    export_widths(weights, [0.5], folder, "MINDIR")  # beside what it is one of
    assert read_manifest(folder).source["checkpoint"] == "tiny_x2.ckpt"
    with pytest.raises(WeightsError, match=r"w0.5.mindir does not serve.*slimsr convert"):
        read_checkpoint(folder / "plain_x2_w0.5.mindir")
    weights.chmod(0o600)
    weights.write_bytes((folder / "plain_x2_w0.5.mindir").read_bytes())
    with pytest.raises(WeightsError, match=r"w1.mindir is not the file that the manifest.json"):
        read_checkpoint(weights)


def test_a_merged_network_is_not_taken_for_the_slimmable_one(tmp_path):
    folder = tmp_path / "exported"
    export_widths(put_checkpoint(tmp_path, branches="sesr"), [1.0], folder, "MINDIR")
    (tmp_path / "best.ckpt").unlink()
    assert whole_mindir(folder, read_manifest(folder)) is None
    with pytest.raises(WeightsError, match=r"w1.mindir does not serve as a checkpoint.*convert"):
        read_checkpoint(folder / "plain_x2_w1.mindir")


# One whose graph holds what the network does; one that is merged; others that MindSpore gives other
# names, or of which the graph leaves out what only training needs.
@pytest.mark.parametrize(
    ("name", "options", "serves"),
    [
        ("plain", {"n_feats": 4, "n_convs": 1}, True),
        ("plain", {"n_feats": 4, "n_convs": 1, "branches": "sesr"}, False),
        ("span", {"n_feats": 4, "n_blocks": 3}, False),
        ("edsr", {"n_feats": 4, "n_blocks": 1}, True),
    ],
)
@pytest.mark.parametrize("openvino", [True, False])
def test_a_folder_of_mindir_alone_is_opened(tmp_path, monkeypatch, name, options, serves, openvino):
    net = create_model(name, scale=2, **options)
    save_checkpoint(tmp_path / "c.ckpt", net, TrainingState(describe_network(name, net), {}))
    folder = tmp_path / "exported"
    export_widths(tmp_path / "c.ckpt", [1.0], folder, "MINDIR")
    (tmp_path / "c.ckpt").unlink()
    assert (whole_mindir(folder, read_manifest(folder)) is not None) == serves
    monkeypatch.setattr(runtime_module, "openvino_installed", lambda: openvino)
    source = open_source(ModelSpec(model=str(folder)))
    assert isinstance(source, CheckpointSource) == (serves and not openvino)
    assert source.load(1.0).run(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, 3, 16, 16)


def test_what_cannot_be_shipped(bench, tmp_path, monkeypatch):
    module, checkpoint = bench("ship_model"), put_checkpoint(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(ConfigError, match="does not end in _x2"):
        module.ship("tiny_x4", checkpoint, None, tmp_path / "models")
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(OutputError, match="would hold"):
        module.ship("tiny_x2", checkpoint, None, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_network_is_replaced_and_branches_are_merged(bench, tmp_path):
    module = bench("ship_model")
    (tmp_path / "models").mkdir()
    before = module.ship("tiny_x2", put_checkpoint(tmp_path), [1.0], tmp_path / "models")
    old = digest(before / "tiny_x2.ckpt")
    checkpoint = put_checkpoint(tmp_path, branches="sesr")
    folder = module.ship("tiny_x2", checkpoint, [1.0], tmp_path / "models")
    assert digest(folder / "tiny_x2.ckpt") != old
    assert read_checkpoint(folder / "tiny_x2.ckpt").state.network["branches"] == "none"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny_x2"]


def test_labels_of_a_plot_do_not_cover_each_other(bench):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    marks = [(*place, f"network {i}", "grey") for i, place in enumerate(rng.uniform(0, 1, (12, 2)))]
    axes.plot([m[0] for m in marks[:2]], [m[1] for m in marks[:2]], label="a line")
    axes.scatter([m[0] for m in marks], [m[1] for m in marks])
    axes.legend()
    axes.margins(0.15)
    canvas.draw()
    bench("shipped_report")._label(axes, marks)
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) == 12
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_cards_of_what_ships_are_current(bench):
    assert bench("model_cards").write_cards(check=True) == []
