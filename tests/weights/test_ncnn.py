"""ncnn's files: graphs made by hand, whole and spoilt. The real ones are in test_references.py."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.commands.convert import main as convert
from slimsr.errors import WeightsError
from slimsr.models import create_model
from slimsr.weights.checkpoint import load_network
from slimsr.weights.conventions import to_release
from slimsr.weights.foreign_files import read_foreign
from slimsr.weights.releases import find_release
from tests.networks import picture, run


def compact() -> tuple[str, list[np.ndarray]]:
    """A Compact of 4 channels and one convolution, x2, as text, and its arrays in order."""
    net = create_model("plain", scale=2, n_feats=4, n_convs=1, activation="prelu")
    arrays = list(to_release(net, find_release(net, "compact")).values())
    text = """7767517
10 11
Input in 0 1 data
Split split 1 2 data a b
Convolution c0 1 1 a 0 0=4 1=3 4=1 5=1 6=108
PReLU p0 1 1 0 1 0=4
Convolution c1 1 1 1 2 0=4 1=3 4=1 5=1 6=144
PReLU p1 1 1 2 3 0=4
Convolution c2 1 1 3 4 0=12 1=3 4=1 5=1 6=432
PixelShuffle shuffle 1 1 4 5 0=2
Interp base 1 1 b 6 0=1 1=2.0 2=2.0
BinaryOp add 2 1 5 6 out
"""
    return text, arrays


def rrdbnet(fused: bool) -> tuple[str, list[np.ndarray]]:
    """An RRDBNet of one block, x2; rectifiers and factors within their layers or not."""
    net = create_model("rrdbnet", scale=2, n_feats=4, n_blocks=1, growth=2)
    arrays = list(to_release(net, find_release(net, "realesrgan")).values())
    lines, made = ["Input in 0 1 data"], iter(range(1000))

    def add(kind: str, inputs: list[str], values: str) -> str:
        name = f"v{next(made)}"
        lines.append(f"{kind} {name} {len(inputs)} 1 {' '.join(inputs)} {name} {values}")
        return name

    def conv(blob: str, n_in: int, n_out: int, rectified: bool) -> str:
        values = f"0={n_out} 1=3 4=1 5=1 6={9 * n_in * n_out}"
        if rectified and fused:
            return add("Convolution", [blob], f"{values} 9=2 -23310=1,0.2")
        blob = add("Convolution", [blob], values)
        return add("ReLU", [blob], "0=0.2") if rectified else blob

    def residual(blob: str, stream: str) -> str:
        if fused:
            return add("Eltwise", [blob, stream], "0=1 -23301=2,0.2,1.0")
        return add("BinaryOp", [add("BinaryOp", [blob], "0=2 1=1 2=0.2"), stream], "0=0")

    head = stream = conv("data", 3, 4, False)
    for _ in range(3):
        joined = [stream]
        inner = stream
        for i in range(4):
            joined.append(conv(inner, 4 + 2 * i, 2, True))
            inner = add("Concat", joined, "0=0")
        stream = residual(conv(inner, 12, 4, False), stream)
    stream = residual(stream, head)
    stream = add("BinaryOp", [head, conv(stream, 4, 4, False)], "0=0")
    stream = conv(add("Interp", [stream], "0=1 1=2 2=2"), 4, 4, True)
    conv(conv(stream, 4, 4, True), 4, 3, False)
    return f"7767517\n{len(lines)} 1\n" + "\n".join(lines) + "\n", arrays


def write(folder, text: str, arrays: list[np.ndarray], half: bool = False):
    data = b""
    for array in arrays:
        if array.ndim == 4:
            weights = array.astype("<f2" if half else "<f4").tobytes()
            data += (0x01306B47 if half else 0).to_bytes(4, "little") + weights
            data += bytes(-len(data) % 4)
        else:
            data += array.astype("<f4").tobytes()
    (folder / "net.bin").write_bytes(data)
    (folder / "net.param").write_text(text)
    return folder / "net.param"


MADE = {"compact": compact, "fused": lambda: rrdbnet(True), "parted": lambda: rrdbnet(False)}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("made", MADE)
def test_what_is_one_of_ours_gives_its_tensors(tmp_path, made, half):
    text, arrays = MADE[made]()
    path = write(tmp_path, text, arrays, half)
    found, remarks = read_foreign(path)
    assert remarks == [] and len(found) == len(arrays)
    for array, expected in zip(found.values(), arrays, strict=True):
        tolerance = 1e-3 if half else 0  # of half precision, relative
        np.testing.assert_allclose(array, expected, rtol=tolerance, atol=tolerance * 1e-3)


def test_the_converter_takes_either_file(tmp_path, capsys):
    write(tmp_path, *compact())
    target = tmp_path / "net.ckpt"
    pictures = []
    for source in ("net.param", "net.bin"):
        assert convert(["--from", str(tmp_path / source), "--to", str(target)]) == 0
        assert "recognised: Real-ESRGAN Compact, plain x2 (n_feats=4" in capsys.readouterr().out
        pictures.append(run(load_network(target)[0], picture(1, 3, 5, 4)))
    np.testing.assert_array_equal(*pictures)


SPOILT = [
    ("compact", "PReLU p1 1 1 2 3 0=4", "Swish p1 1 1 2 3", "Swish p1 where a PReLU is expected"),
    ("compact", "0=4 1=3 4=1 5=1 6=144", "0=4 1=3 3=2 4=1 5=1 6=144", "c1 where .* stride 1"),
    ("compact", "0=12 1=3 4=1", "0=12 1=3 4=0", "Convolution c2 where a padding of 1"),
    ("compact", "Interp base 1 1 b 6 0=1", "Interp base 1 1 b 6 0=2", "base where .* nearest, x2"),
    ("compact", "BinaryOp add 2 1 5 6 out", "BinaryOp add 2 1 5 6 out 0=1", "add where an addit"),
    ("compact", "0=2\n", "0=2 1=1\n", "shuffle where a PixelShuffle of PyTorch's order"),
    ("fused", "-23301=2,0.2,1.0", "-23301=2,0.3,1.0", "where a sum with the factors"),
    ("fused", "9=2 -23310=1,0.2", "9=2 -23310=1,0.1", "where an activation of slope 0.2"),
    ("parted", "0=0.2\n", "0=0.1\n", "where a slope of 0.2"),
]


@pytest.mark.parametrize(("made", "old", "new", "named"), SPOILT)
def test_a_graph_that_does_something_else_names_the_layer(tmp_path, made, old, new, named):
    text, arrays = MADE[made]()
    assert old in text
    with pytest.raises(WeightsError, match=named) as caught:
        read_foreign(write(tmp_path, text.replace(old, new), arrays))
    assert "is no network that is known here" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_that_is_made_smaller_afterwards(tmp_path):
    """So end realesr-animevideov3's x2 and x3: the x4 network and an Interp behind it."""
    text, arrays = compact()
    text = text.replace("10 11", "11 12") + "Interp smaller 1 1 out end 0=2 1=0.5 2=0.5\n"
    with pytest.raises(WeightsError, match="Interp smaller where the end is expected"):
        read_foreign(write(tmp_path, text, arrays))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[1:], "does not begin with 7767517"),
        (lambda text: text.replace("10 11", "9 11"), "has 10 layers and says 9"),
        (lambda text: text.replace("1 1 a 0 ", "9 9 a 0 "), "names too few blobs"),
        (lambda text: text.replace("6=432", "6=43200000"), r"its \.bin is cut short"),
        (lambda text: text.replace("6=432", "6=324"), "damaged"),
        (lambda text: text.replace("0=12 1=3", "0=1e400 1=3"), "damaged"),
        (lambda text: text.replace("0=12 1=3", "0=-1 1=3"), "damaged"),
        (lambda text: "", "does not begin"),
        (lambda text: "7767517\n", "damaged"),
    ],
)
def test_damaged_files(tmp_path, spoil, message):
    text, arrays = compact()
    with pytest.raises(WeightsError, match=message) as caught:
        read_foreign(write(tmp_path, spoil(text), arrays))
    assert "\n" not in str(caught.value)


def test_one_of_the_two_files_is_missing(tmp_path):
    path = write(tmp_path, *compact())
    (tmp_path / "net.bin").unlink()
    with pytest.raises(WeightsError, match=r"net\.bin .*give a \.param with its \.bin beside it"):
        read_foreign(path)
    path.unlink()
    with pytest.raises(WeightsError, match="no weights at"):
        read_foreign(path)


def test_quantised_weights_are_named(tmp_path):
    path = write(tmp_path, *compact())
    data = (tmp_path / "net.bin").read_bytes()
    (tmp_path / "net.bin").write_bytes((0x000D4B38).to_bytes(4, "little") + data[4:])
    with pytest.raises(WeightsError, match="c0 is quantised"):
        read_foreign(path)
