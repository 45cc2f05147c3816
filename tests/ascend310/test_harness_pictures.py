"""The C++ harness from end to end: its pictures are those of the whole network in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slimsr.exported.onnx_graph import to_onnx
from slimsr.inference.openvino_module import import_openvino
from slimsr.models.widths import extract
from tests.ascend310.harness_bundle import repeat_model, write_bundle

WIDTHS = (1.0, 0.5, 0.25)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as img:
        assert img.mode == "RGB"
        return np.asarray(img)


def save(path: Path, img: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(img).save(path, **options)
    return path


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def repeated(img: np.ndarray, scale: int) -> np.ndarray:
    return img.repeat(scale, 0).repeat(scale, 1)


def load(model: Path):
    """A function from (H, W, 3) uint8 to the network's (H * scale, W * scale, 3) float32."""
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = import_openvino().Core().compile_model(model, "CPU", hint)

    def run(img: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(img.transpose(2, 0, 1)[None], np.float32)
        return compiled([planes])[0][0].transpose(1, 2, 0)

    return run


def rounded(img: np.ndarray) -> np.ndarray:
    return np.rint(img.clip(0, 255)).astype(np.uint8)


def largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


@pytest.fixture(scope="session", params=[2, 3, 4], ids=lambda scale: f"x{scale}")
def edsr(request, golden_edsr, tmp_path_factory) -> tuple[int, Path]:
    """(scale, bundle) of the reference EDSR at three widths."""
    _, net = golden_edsr(request.param)
    models = {w: to_onnx(extract(net, w)).SerializeToString() for w in WIDTHS}
    folder = tmp_path_factory.mktemp("edsr") / f"x{request.param}"
    return request.param, write_bundle(folder, request.param, models, margin=net.margin)


@pytest.fixture(scope="session")
def repeat(tmp_path_factory) -> Path:
    """A bundle, x2, of two widths that repeat every pixel."""
    model = repeat_model(2)
    return write_bundle(tmp_path_factory.mktemp("repeat"), 2, {1.0: model, 0.5: model})


# Every width at x2; of the other scales, which differ in the tail, the narrowest.
@pytest.mark.parametrize(
    ("edsr", "width"),
    [
        pytest.param(
            scale, width, marks=() if scale == 2 or width == WIDTHS[-1] else pytest.mark.slow
        )
        for scale in (2, 3, 4)
        for width in WIDTHS
    ],
    indirect=["edsr"],
)
def test_set5_equals_the_whole_network(edsr, width, shared, tmp_path, run_harness):
    scale, bundle = edsr
    pictures = shared / "data" / "benchmark" / "Set5" / "LR_bicubic" / f"X{scale}"
    done = run_harness(
        "--model",
        bundle,
        "--width",
        str(width),
        "--input",
        pictures,
        "--output",
        tmp_path,
        "--tile",
        "48",
        "--batch",
        "2",
    )
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["cross_fade"] and report["width"] == width and report["batch"] == 2
    network = load(bundle / f"w{width:g}.onnx")
    for picture in report["pictures"]:
        source = pixels(pictures / picture["name"])
        result = pixels(tmp_path / picture["result"])
        assert largest_difference(result, rounded(network(source))) <= 1
        assert (picture["height"], picture["width"]) == source.shape[:2]
        assert picture["tiles"] > 1 and picture["infer_ms"] > 0
    assert report["total"]["pictures"] == 5 and report["total"]["failed"] == 0
    assert done.stdout.splitlines()[-1].startswith("5 of 5 pictures in ")


def plan(length: int, tile: int, overlap: int) -> list[tuple[slice, slice]]:
    """(read, keep) of the tiles along an axis."""
    tile = min(tile, length)
    tiles, kept = [], 0
    while kept < length:
        start = min(max(kept - overlap, 0), length - tile)
        end = length if start + tile == length else start + tile - overlap
        tiles.append((slice(start, start + tile), slice(kept, end)))
        kept = end
    return tiles


def weights(tiles: list[tuple[slice, slice]], overlap: int, scale: int) -> np.ndarray:
    """(tiles, length * scale): each tile's share is the ramp at its start less that at its end."""
    zone = min(overlap, min(keep.stop - keep.start for _, keep in tiles)) // 2
    position = np.arange(tiles[-1][1].stop * scale) + 0.5
    ramps = [np.ones_like(position)]
    for _, keep in tiles[1:]:
        first = (keep.start - zone) * scale
        ramps.append(((position - first) / (2 * zone * scale)).clip(0, 1))
    ramps.append(np.zeros_like(position))
    return -np.diff(ramps, axis=0)


def test_little_overlap_is_cross_faded(edsr, shared, tmp_path, run_harness):
    scale, bundle = edsr
    folder = shared / "data" / "benchmark" / "Set5" / "LR_bicubic" / f"X{scale}"
    picture, tile, overlap = folder / f"womanx{scale}.png", 32, 5
    done = run_harness(
        "--model",
        bundle / "w0.5.onnx",
        "--input",
        picture,
        "--output",
        tmp_path,
        "--tile",
        str(tile),
        "--overlap",
        str(overlap),
    )
    assert done.returncode == 0
    source, network = pixels(picture), load(bundle / "w0.5.onnx")
    rows, columns = (plan(side, tile, overlap) for side in source.shape[:2])
    down, across = weights(rows, overlap, scale), weights(columns, overlap, scale)
    expected = np.zeros((source.shape[0] * scale, source.shape[1] * scale, 3))
    for (row, _), y in zip(rows, down, strict=True):
        for (column, _), x in zip(columns, across, strict=True):
            box = tuple(slice(s.start * scale, s.stop * scale) for s in (row, column))
            share = y[box[0], None, None] * x[None, box[1], None]
            expected[box] += share * network(source[row, column])
    result = pixels(tmp_path / picture.name)
    assert largest_difference(result, rounded(expected)) <= 1
    assert largest_difference(result, rounded(network(source))) > 0  # else nothing was tested
    assert json.loads((tmp_path / "report.json").read_text())["cross_fade"]


@pytest.mark.parametrize("size", [(1, 1), (5, 70), (32, 32), (61, 90)])
def test_a_model_of_fixed_shape_takes_every_size(size, tmp_path, run_harness):
    shape = (4, 3, 32, 32)
    bundle = write_bundle(tmp_path / "b", 3, {1.0: repeat_model(3, shape)}, shape=shape)
    picture = save(tmp_path / "in" / "a.png", noise(*size))
    done = run_harness(
        "--model", bundle, "--input", picture, "--output", tmp_path / "out", "--overlap", "4"
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "out" / "a.png"), repeated(noise(*size), 3))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["tile"] == [32, 32] and report["batch"] == 4


def test_names_folders_and_kinds_of_pictures(repeat, tmp_path, run_harness):
    img = noise(20, 30)
    save(tmp_path / "in" / "a.v1.2 final.png", img)
    save(tmp_path / "in" / "sub" / "größe 图.bmp", img)
    save(tmp_path / "in" / "sub" / "twin.png", img)
    save(tmp_path / "in" / "sub" / "twin.webp", img, lossless=True)
    save(tmp_path / "in" / "grey.png", img[..., 0])
    save(tmp_path / "in" / "deep.png", img[..., 0].astype(np.uint16) * 257)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    done = run_harness("--model", repeat, "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    grey = np.stack([img[..., 0]] * 3, -1)
    expected = {
        "a.v1.2 final.png": img,
        "sub/größe 图.png": img,
        "sub/twin.png": img,
        "sub/twin.webp.png": img,
        "grey.png": grey,
        "deep.png": grey,
    }
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png")}
    assert written == set(expected)
    for name, source in expected.items():
        assert np.array_equal(pixels(tmp_path / "out" / name), repeated(source, 2)), name
    again = run_harness("--model", repeat, "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert again.returncode == 0


def test_the_orientation_of_a_camera_is_applied(repeat, tmp_path, run_harness):
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise
    save(tmp_path / "in.jpg", np.full((20, 30, 3), 99, np.uint8), exif=exif)
    done = run_harness(
        "--model", repeat, "--input", tmp_path / "in.jpg", "--output", tmp_path / "o"
    )
    assert done.returncode == 0
    assert pixels(tmp_path / "o" / "in.png").shape == (60, 40, 3)


@pytest.mark.parametrize("form", ["jpg", "webp", "tiff"])
def test_formats(form, repeat, tmp_path, run_harness):
    ramp = np.linspace(40, 200, 40).astype(np.uint8)
    img = np.stack([ramp[:, None] + ramp[None] // 8] * 3, -1)
    save(tmp_path / "a.png", img)
    done = run_harness(
        "--model",
        repeat,
        "--input",
        tmp_path / "a.png",
        "--output",
        tmp_path / "o",
        "--format",
        form,
        "--report",
        tmp_path / "r.json",
    )
    assert done.returncode == 0 and (tmp_path / "r.json").is_file()
    assert {p.name for p in (tmp_path / "o").iterdir()} == {f"a.{form}", "upscale.json"}
    difference = largest_difference(pixels(tmp_path / "o" / f"a.{form}"), repeated(img, 2))
    assert difference <= (8 if form == "jpg" else 0)


def test_a_budget_takes_the_widest_that_meets_it(repeat, tmp_path, run_harness):
    save(tmp_path / "a.png", noise(40, 40))
    common = ("--model", repeat, "--input", tmp_path / "a.png", "--output", tmp_path / "o")
    done = run_harness(*common, "--budget_ms", "1e6")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "network time for the largest picture, 40x40:"
    assert lines[2].split()[0] == "1" and len(lines) == 4  # the next width was not measured
    assert json.loads((tmp_path / "o" / "report.json").read_text())["width"] == 1

    done = run_harness(*common[:-1], tmp_path / "none", "--budget_ms", "1e-6")
    assert done.returncode == 2 and not (tmp_path / "none").exists()
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["1", "0.5"]
    assert "width 1 " in done.stderr and "width 0.5 " in done.stderr and " ms" in done.stderr


def test_bfloat16_where_the_cpu_has_it(edsr, shared, tmp_path, run_harness):
    scale, bundle = edsr
    folder = shared / "data" / "benchmark" / "Set5" / "LR_bicubic" / f"X{scale}"
    picture = folder / f"womanx{scale}.png"
    done = run_harness(
        "--model", bundle, "--input", picture, "--output", tmp_path / "o", "--precision", "bf16"
    )
    if done.returncode == 0:
        assert json.loads((tmp_path / "o" / "report.json").read_text())["precision"] == "bf16"
        whole = rounded(load(bundle / "w1.onnx")(pixels(picture)))
        assert 0 < largest_difference(pixels(tmp_path / "o" / picture.name), whole) < 16
    else:
        assert done.returncode == 2 and "which this CPU does not have" in done.stderr
        assert not (tmp_path / "o").exists()


def test_help_is_not_an_error(run_harness):
    done = run_harness("--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: ") and done.stderr == ""


def test_the_profile_of_openvino(tmp_path, run_harness):
    bundle = write_bundle(tmp_path / "b", 2, {1.0: repeat_model(2)})
    picture = save(tmp_path / "a.png", noise(300, 40))
    done = run_harness(
        *("--model", bundle, "--input", picture, "--output", tmp_path / "o"),
        *("--profile", tmp_path / "times"),
    )
    assert done.returncode == 0, done.stderr
    layers = json.loads((tmp_path / "times" / "layers.json").read_text())
    assert any(layer["type"].startswith("Convolution") for layer in layers)
    times = [layer["ms"] for layer in layers]
    assert times == sorted(times, reverse=True) and times[0] > 0
    assert len({(layer["name"], layer["type"]) for layer in layers}) == len(layers)
