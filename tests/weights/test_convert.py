"""The converter as a user calls it: what it says, what it writes, that others can use it."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.commands.convert import main
from slimsr.commands.eval import main as evaluate
from slimsr.errors import ConfigError
from slimsr.models import SlimmableNet, create_model, describe_network, resolve
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import TrainingState, load_network
from slimsr.weights.conventions import to_release
from slimsr.weights.convert import write_arrays
from slimsr.weights.loading import load_weights
from slimsr.weights.releases import find_release
from slimsr.weights.saving import save_checkpoint
from tests.networks import SMALL, one_scale, picture, run, small, values
from tests.system.tiny import put_pictures

VGG = {
    "features.0.weight": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32),
    "classifier.0.weight": np.ones((2, 3), np.float32),
}


def write(path, net: SlimmableNet, key: str):
    np.savez(path, **to_release(net, find_release(net, key)))
    return path


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_vgg_is_copied_as_it_is(tmp_path, suffix, capsys):
    source, target = tmp_path / "torch.npz", tmp_path / f"vgg.{suffix}"
    np.savez(source, **VGG)
    assert main(["--from", str(source), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: 2 tensors\n"
    arrays = read_arrays(target)
    assert arrays.keys() == VGG.keys()
    for name, array in VGG.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_without_a_target_it_only_says_what_a_file_is(tmp_path, capsys):
    np.savez(tmp_path / "vgg.npz", **VGG)
    assert main(["--from", str(tmp_path / "vgg.npz")]) == 0
    assert capsys.readouterr().out == "recognised: VGG, 2 tensors\n"
    net = create_model("rcan", scale=2, n_feats=8, n_groups=2, n_blocks=1, reduction=4)
    assert main(["--from", str(write(tmp_path / "net.npz", net, "rcan"))]) == 0
    assert capsys.readouterr().out == (
        "recognised: RCAN, rcan x2 (n_feats=8, n_groups=2, n_blocks=1, reduction=4); "
        "RGB in 0..255\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.npz", "vgg.npz"]


def test_a_release_becomes_a_checkpoint_that_computes_the_same(tmp_path, capsys):
    net = create_model("edsr", scale=4, n_feats=4, n_blocks=2, res_scale=0.1)
    source, target = write(tmp_path / "edsr.npz", net, "edsr-pytorch"), tmp_path / "edsr.ckpt"
    arguments = ["--from", str(source), "--to", str(target)]
    assert main([*arguments, "--set", "res_scale=0.1"]) == 0
    assert capsys.readouterr().out == (
        "recognised: EDSR-PyTorch, edsr x4 (n_feats=4, n_blocks=2, res_scale=0.1); "
        f"RGB in 0..255\n{target}: a checkpoint of 18 tensors\n"
    )
    found, state = load_network(target)
    assert state.network == describe_network("edsr", net) and state.widths == [1.0]
    x = picture(1, 3, 5, 4)
    np.testing.assert_array_equal(run(found, x), run(net, x))
    assert main(arguments) == 0
    assert "res_scale cannot be seen in the weights: 1.0 assumed" in capsys.readouterr().out
    assert load_network(target)[0].config.res_scale == 1.0


def test_arrays_are_written_by_our_names_or_those_of_a_release(tmp_path, capsys):
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    source = write(tmp_path / "edsr.npz", net, "csd")
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "basicsr.npz"
    assert main(["--from", str(source), "--to", str(ours)]) == 0
    assert read_arrays(ours).keys() == values(net).keys()
    assert main(["--from", str(ours), "--to", str(theirs), "--names", "basicsr"]) == 0
    assert capsys.readouterr().out.endswith(f"{theirs}: 12 tensors\n")
    arrays = read_arrays(theirs)
    assert {"conv_first.weight", "conv_after_body.bias", "upsample.0.weight"} <= arrays.keys()
    other = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    load_weights(other, theirs)
    for name, value in values(net).items():
        np.testing.assert_array_equal(values(other)[name], value)


@pytest.mark.parametrize("form", SMALL)
def test_our_checkpoints_need_no_further_word(tmp_path, form, capsys):
    net = small(form, one_scale(form))
    name, _ = resolve(SMALL[form][0], {})
    state = TrainingState(describe_network(name, net), {"a": 1}, step=7, widths=[1.0, 0.5])
    save_checkpoint(tmp_path / "run.ckpt", net, state)
    out = tmp_path / "copy.ckpt"
    assert main(["--from", str(tmp_path / "run.ckpt"), "--to", str(out)]) == 0
    assert f"recognised: SlimSR, {name} x{net.scale} (" in capsys.readouterr().out
    found, copied = load_network(out)
    assert copied == state and found.config == net.config
    for key, value in values(net).items():
        np.testing.assert_array_equal(values(found)[key], value)


def test_a_checkpoint_of_many_scales_can_be_given_another(tmp_path):
    net = create_model("carn_m", scale=4, n_feats=8, multi_scale=True)
    source, first, second = tmp_path / "m.npz", tmp_path / "x4.ckpt", tmp_path / "x2.ckpt"
    assert (
        main(["--from", str(write(source, net, "carn")), "--to", str(first), "--scale", "4"]) == 0
    )
    assert main(["--from", str(first), "--to", str(second), "--scale", "2"]) == 0
    assert load_network(first)[0].scale == 4 and load_network(second)[0].scale == 2


@pytest.mark.parametrize(
    ("form", "layers"),
    [
        ("edsr", "upsampler.blocks.0, upsampler.blocks.1"),
        ("rcan", "upsampler.blocks.0, upsamp"),
        ("plain", "tail"),
        ("etds", "tail, closing"),
        ("span", "tail"),
        ("rlfn", "tail"),
        ("rrdbnet", "up.0, up.1"),
        ("fsrcnn", "last_layer"),
        ("idn_rgb", "upsample.conv1"),
        ("carn", "upsample.blocks.0"),
        ("carn_m", ""),
        ("vdsr", ""),
    ],
)
def test_weights_of_another_scale_start_a_network(tmp_path, form, layers, capsys):
    net = small(form, 2)
    state = TrainingState(describe_network(resolve(*SMALL[form])[0], net), {})
    save_checkpoint(tmp_path / "x2.ckpt", net, state)
    target = str(tmp_path / "x4.ckpt")
    assert main(["--from", str(tmp_path / "x2.ckpt"), "--to", target, "--scale", "4"]) == 0
    said = capsys.readouterr().out
    assert (f"started from x2; {layers}" in said) == ("train it before use" in said) == bool(layers)
    found, _ = load_network(target)
    assert found.scale == 4
    before, after = values(net), values(found)
    new = [name for name in after if name.startswith(found.of_scale)]
    assert bool(new) == bool(layers)
    for name in after.keys() - new:
        np.testing.assert_array_equal(after[name], before[name])


def test_a_drn_starts_none_of_another_scale(tmp_path):
    net = small("drn", 2)
    save_checkpoint(tmp_path / "x2.ckpt", net, TrainingState(describe_network("drn", net), {}))
    with pytest.raises(ConfigError, match="Drn x2 cannot start one of x4"):
        main(
            ["--from", str(tmp_path / "x2.ckpt"), "--to", str(tmp_path / "o.ckpt"), "--scale", "4"]
        )


@pytest.mark.parametrize(("file", "width"), [("carn_m", 1.0), ("vdsr", 1.0), ("idn_x2", 1.0)])
def test_published_weights_can_be_scored_at_once(shared, tmp_path, file, width, capsys):
    target = tmp_path / "net.ckpt"
    source = shared / "weights" / f"{file}.npz"
    assert main(["--from", str(source), "--to", str(target), "--scale", "2"]) == 0
    data = put_pictures(tmp_path / "set", count=1, height=24, width=20)
    assert evaluate(["--ckpt", str(target), "--data", str(data), "--scale", "2"]) == 0
    assert f"width {width:g}" in capsys.readouterr().out


def test_only_known_suffixes_are_written(tmp_path):
    with pytest.raises(ConfigError, match=r"end it in \.npz or \.safetensors"):
        write_arrays(tmp_path / "out.bin", {})
