"""Whatever is wrong with what the converter is given: one line, exit code 2, nothing written."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from slimsr.commands import cli
from slimsr.commands.convert import main
from slimsr.models import create_model
from slimsr.weights.conventions import to_release
from slimsr.weights.releases import find_release
from tests.system.tiny import everything_below
from tests.weights.torch_writer import write


class Command:
    """What a hostile pickle would run."""

    def __reduce__(self):
        return os.system, ("touch was_run",)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    edsr = create_model("edsr", scale=2, n_feats=4, n_blocks=2)
    good = to_release(edsr, find_release(edsr, "edsr-pytorch"))
    carn = create_model("carn_m", scale=2, n_feats=8, multi_scale=True)
    fsrcnn = create_model("fsrcnn", scale=2, d=4, s=2, m=1)

    def put(name, arrays):
        np.savez(folder / f"{name}.npz", **arrays)

    put("good", good)
    put("carn", to_release(carn, find_release(carn, "carn")))
    put("fsrcnn", to_release(fsrcnn, find_release(fsrcnn, "pisr")))
    put("lacks", {name: a for name, a in good.items() if name != "body.1.body.2.weight"})
    put("extra", good | {"body.1.body.4.weight": good["head.0.weight"]})
    put("shape", good | {"tail.1.weight": good["tail.1.weight"][:, :2]})
    put("flat", {name: array.ravel() for name, array in good.items()})
    put("hollow", {name: array[:0] for name, array in good.items()})
    put("wide", good | {"body.0.body.0.weight": np.zeros((10**6, 1, 1, 1), np.float32)})
    put("nan", good | {"head.0.bias": np.full(4, np.nan, np.float32)})
    put("complex", good | {"head.0.bias": np.full(4, 1j)})
    put("text", good | {"head.0.bias": np.array(["a", "b"])})
    put("bgr", good | {"sub_mean.bias": good["sub_mean.bias"][::-1]})
    put("empty", {})
    drn = create_model("drn", scale=2, n_feats=16, n_blocks=1)
    put("drn", to_release(drn, find_release(drn, "drn")))
    put("other", {f"layer{i}.weight": rng.normal(size=(3, 3)) for i in range(9)})
    put("idn_pytorch", {"fblock.module.0.weight": rng.normal(size=(4, 3, 3, 3))})
    put("vgg", {"features.0.weight": rng.normal(size=(4, 3, 3, 3))})
    put("objects", {"a": np.array([Command()], dtype=object)})
    data = (folder / "good.npz").read_bytes()
    (folder / "cut.npz").write_bytes(data[: len(data) // 2])
    for name in ("noise.npz", "noise.safetensors", "noise.ckpt", "net.pth", "net.h5"):
        (folder / name).write_bytes(rng.bytes(999))
    (folder / "folder.npz").mkdir()
    return folder


CASES = [
    # the file
    ("--from none.npz", "no weights at none.npz", "existing file"),
    ("--from folder.npz", "no weights at folder.npz"),
    ("--from net.h5", "net.h5 has an unknown format", ".safetensors"),
    ("--from cut.npz", "cut.npz is damaged"),
    ("--from noise.npz", "noise.npz is damaged"),
    ("--from noise.safetensors", "noise.safetensors is damaged"),
    ("--from noise.ckpt", "noise.ckpt is damaged"),
    ("--from objects.npz", "objects.npz is damaged or not a .npz file"),
    ("--from net.pth", "net.pth"),
    ("--from empty.npz", "empty.npz holds no weights"),
    ("--from nan.npz", "not finite (head.0.bias)"),
    ("--from complex.npz", "no real number (head.0.bias)"),
    ("--from text.npz", "no real number (head.0.bias)"),
    # the network
    ("--from other.npz", "no known network", "layer0.weight", "EDSR-PyTorch", "--model"),
    ("--from flat.npz", "flat.npz"),
    ("--from hollow.npz", "no known network"),
    ("--from wide.npz", "does not fit this Edsr", "other shape: body.0.body.0.bias (4,)"),
    ("--from idn_pytorch.npz", "is refused", "give weights of IDN-Caffe"),
    ("--from lacks.npz", "missing: body.1.body.2.weight"),
    ("--from extra.npz", "unexpected: body.1.body.4.weight"),
    ("--from shape.npz", "other shape: tail.1.weight (3, 2, 3, 3) for (3, 4, 3, 3)"),
    ("--from bgr.npz", "sub_mean.bias is", "this network has"),
    ("--from carn.npz", "do not show the scale", "--scale 2"),
    ("--from fsrcnn.npz", "do not show the scale", "--scale 3"),
    # what the user says of it
    ("--from good.npz --model edrs", "no model 'edrs'", "did you mean 'edsr'?"),
    ("--from good.npz --model vdsr", "does not fit this Vdsr", "missing: ", "unexpected: "),
    ("--from good.npz --model edsr_full", "does not fit this Edsr", "other shape: "),
    ("--from good.npz --scale 5", "scale 5 is not offered"),
    ("--from drn.npz --scale 8", "cannot start one of x8"),
    ("--from good.npz --scale 5", "scale 5 is not offered: choose 2, 3, 4 or 8"),
    ("--from good.npz --scale two", "invalid int value: 'two'"),
    ("--from good.npz --set n_blocks=3", "missing: body.2.body.0.bias"),
    ("--from good.npz --set n_block=3", "unknown key model.n_block", "did you mean 'n_blocks'?"),
    ("--from good.npz --set n_blocks=few", "model.n_blocks = 'few' is not valid"),
    ("--from good.npz --set n_blocks", "--set n_blocks is not an option", "OPTION=VALUE"),
    ("--from good.npz --set res_scale=nan", "model.res_scale"),
    ("--from good.npz --range 1", "--range 1 contradicts good.npz", "0..255"),
    ("--from good.npz --range 7", "invalid choice: 7"),
    ("", "--from"),
    # the target
    ("--from good.npz --to out.bin", "--to out.bin is not valid", ".ckpt, .npz or .safetensors"),
    ("--from good.npz --to none/out.ckpt", "cannot write none/out.ckpt"),
    ("--from good.npz --to folder.npz", "cannot write folder.npz", "folder"),
    ("--from good.npz --to out.npz --names drn", "'drn' are no names of edsr", "edsr-pytorch"),
    ("--from good.npz --to out.ckpt --names csd", "--names csd does not go with out.ckpt"),
    ("--from carn.npz --scale 2 --to out.npz --names csd", "csd=True only", "choose other names"),
    ("--from vgg.npz --to out.ckpt", "out.ckpt", ".npz or .safetensors"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_one_line_says_what_is_wrong_and_nothing_is_written(files, case, monkeypatch, capsys):
    argv, *expected = case
    monkeypatch.chdir(files)
    monkeypatch.setattr(sys, "argv", ["convert", *argv.split()])
    before = everything_below(files)
    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    for part in expected:
        assert part in said.err
    assert everything_below(files) == before


def test_a_hostile_pickle_is_not_run(tmp_path, monkeypatch, capsys):
    write(tmp_path / "net.pth", {"state_dict": Command()})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convert", "--from", "net.pth"])
    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    assert ended.value.code == 2 and not (tmp_path / "was_run").exists()
    assert "holds more than tensors" in capsys.readouterr().err
