"""Scores, tiles, self-ensemble and cost of networks on pictures."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.data import Pair, find_pairs, find_sets
from slimsr.data.cache import load_pair
from slimsr.engine.evaluate import (
    Protocol,
    Score,
    bicubic_upscaler,
    mean_score,
    network_upscaler,
    score_pictures,
    score_results,
    shown_psnr,
)
from slimsr.engine.report import EvalOptions, evaluate_sets, format_table
from slimsr.errors import DataError, NotFiniteError, WidthError
from slimsr.imaging import imresize, imwrite
from slimsr.models import create_model
from slimsr.models.cost import network_cost


@pytest.fixture(scope="module")
def net():
    ms.set_seed(5)
    return create_model("edsr", scale=2, n_feats=4, n_blocks=1)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def raw(net, lr, width=1.0):
    """The network's result before rounding, (H, W, 3)."""
    batch = lr.transpose(2, 0, 1)[None].astype(np.float32)
    return net(ms.Tensor(batch), width).asnumpy()[0].transpose(1, 2, 0)


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_the_upscaler_rounds_and_clips_what_the_network_gives(net, width):
    lr = picture(9, 12)
    found = network_upscaler(net, width)(lr)
    expected = np.clip(np.rint(raw(net, lr, width).astype(np.float64)), 0, 255)
    assert found.dtype == np.uint8 and found.shape == (18, 24, 3)
    np.testing.assert_array_equal(found, expected)


def test_a_picture_in_tiles_equals_the_whole(net):
    tile = 2 * net.margin + 64  # the smallest there is
    lr = picture(tile + 7, 2 * tile - 30)
    tiled = network_upscaler(net, 0.5, tile=1)(lr)
    whole = network_upscaler(net, 0.5, tile=10_000)(lr)
    np.testing.assert_array_equal(tiled, whole)


def test_self_ensemble_is_the_mean_of_the_eight(net):
    lr = picture(6, 9)
    # each of the eight: transpose or not, flip rows or not, flip columns or not; then undone
    results = []
    for transpose in (False, True):
        for rows in (slice(None), slice(None, None, -1)):
            for columns in (slice(None), slice(None, None, -1)):
                view = lr.transpose(1, 0, 2) if transpose else lr
                result = raw(net, np.ascontiguousarray(view[rows, columns]))[rows, columns]
                results.append(result.transpose(1, 0, 2) if transpose else result)
    mean = np.mean(np.array(results, np.float64), axis=0)
    found = network_upscaler(net, self_ensemble=True)(lr)
    assert found.shape == (12, 18, 3)
    assert np.abs(found - np.clip(mean, 0, 255)).max() <= 0.5 + 1e-3
    assert not np.array_equal(found, network_upscaler(net)(lr))


def test_a_width_that_does_not_exist(net):
    with pytest.raises(WidthError, match=r"width 0\.3 "):
        network_upscaler(net, 0.3)
    with pytest.raises(WidthError, match=r"width 0\.3 "):
        network_cost(net, 0.3)


def test_bicubic_on_set5_gives_the_published_scores(shared):
    pairs = find_sets(shared / "data" / "benchmark", 2)["Set5"]
    scores = score_pictures(bicubic_upscaler(2), pairs, Protocol.usual(2))
    mean = mean_score(scores)
    assert mean["psnr"] == pytest.approx(33.66, abs=0.02)
    assert mean["ssim"] == pytest.approx(0.9299, abs=0.0007)
    assert [score.name for score in scores] == [pair.name for pair in pairs]
    assert mean["seconds"] == np.median([score.seconds for score in scores])


def test_cost_of_the_baseline():
    cost = network_cost(create_model("edsr", scale=4))
    assert cost["parameters"] == 1_517_571
    # CARN (ECCV 2018), table 1, gives 114.2 G for EDSR-baseline x4
    assert cost["multiply_adds_720p"] / 1e9 == pytest.approx(114.0, abs=0.5)


def test_cost_by_hand(net):
    # 1280x720 HR: 640x360 LR pixels. Width 0.5 of 4 channels: 2.
    lr, hr = 640 * 360, 1280 * 720
    at_lr = 3 * 2 + 2 * 2 + 2 * 2 + 2 * 2 + 2 * 8  # head, block, body_conv, upsampler
    expected = 9 * (at_lr * lr + 2 * 3 * hr)
    parameters = 9 * (at_lr + 2 * 3) + 2 + 2 + 2 + 2 + 8 + 3
    assert network_cost(net, 0.5) == {"parameters": parameters, "multiply_adds_720p": expected}
    again = network_cost(net, 0.5)  # nothing is left behind by the first count
    assert again["multiply_adds_720p"] == expected


def test_a_teacher_may_be_scored_on_what_it_makes_of_hr(shared):
    pairs = find_sets(shared / "data" / "benchmark", 2)["Set5"][:2]
    seen = []

    def darker(picture):
        seen.append(picture.shape)
        return picture - np.minimum(picture, 1)

    scores = score_pictures(darker, pairs, Protocol.usual(2), from_hr=True)
    assert seen == [load_pair(pair, 2)[1].shape for pair in pairs]
    # One grey level less is 219/255 of a step of Y; only black pixels stay.
    for score in scores:
        assert score.psnr == pytest.approx(20 * np.log10(255 / (219 / 255)), abs=0.1)


def test_the_mean_is_of_finite_values_and_the_others_are_counted():
    scores = [Score("a", 30.0, 0.5), Score("b", np.inf, 1.0), Score("c", 20.0, 0.75, 3.0)]
    mean = mean_score(scores)
    assert mean == {"psnr": 25.0, "infinite": 1, "ssim": 0.75, "seconds": 3.0}
    assert shown_psnr(mean) == "25.00 +1 inf"
    assert shown_psnr(mean_score(scores[::2]), 3) == "25.000"
    none = mean_score(scores[1:2])
    assert none["psnr"] is None and none["infinite"] == 1
    assert shown_psnr(none) == "- +1 inf"


def test_a_picture_that_equals_its_hr_in_a_report(shared, tmp_path):
    black = (shared / "cases" / "pictures" / "black64.png").read_bytes()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "black.png").write_bytes(black)
    imwrite(tmp_path / "set" / "noise.png", picture(40, 40))
    report = evaluate_sets([str(tmp_path / "set")], None, EvalOptions(scale=2))
    score = report["sets"]["set"]["bicubic"]
    flat, noise = score["pictures"]
    assert flat["psnr"] == np.inf and not flat["detail"] and noise["detail"]
    assert score["psnr"] == noise["psnr"] and score["infinite"] == 1
    assert f" {noise['psnr']:.2f} +1 inf " in format_table(report)


def test_a_network_that_gives_no_numbers_is_named_with_the_picture(net, tmp_path):
    imwrite(tmp_path / "a.png", picture(20, 20))
    broken = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    broken.head.weight.set_data(ms.Tensor(np.full(broken.head.weight.shape, np.nan, np.float32)))
    pairs = [Pair("a", tmp_path / "a.png", None)]
    with pytest.raises(NotFiniteError, match="a: the network gave values that are not finite"):
        score_pictures(network_upscaler(broken), pairs, Protocol.usual(2))


def test_div2ks_protocol(tmp_path):
    """PSNR of RGB, six pixels more shaved."""
    hr = np.random.default_rng(0).integers(0, 256, (60, 64, 3), np.uint8)
    imwrite(tmp_path / "a.png", hr)
    options = EvalOptions(scale=2, shave=8, rgb=True)
    report = evaluate_sets([str(tmp_path)], None, options)
    (scored,) = report["sets"].values()
    sr = imresize(imresize(hr, 0.5), 2)
    difference = (sr - hr.astype(float))[8:-8, 8:-8]
    expected = 10 * np.log10(255**2 / np.mean(difference**2))
    assert scored["bicubic"]["psnr"] == pytest.approx(expected, abs=1e-9)
    assert format_table(report).startswith("x2, RGB, borders of 8 pixels shaved\n")


@pytest.mark.parametrize("called", ["{}_x2_SR", "{}_out", "{}_EDSR", "{}"])
def test_results_are_called_as_other_programs_do(tmp_path, called):
    hr, sr = tmp_path / "hr", tmp_path / "sr"
    for folder in (hr, sr):
        folder.mkdir()
    for i, name in enumerate(("a", "b", "ab")):
        picture = np.random.default_rng(i).integers(0, 256, (32, 40, 3), np.uint8)
        imwrite(hr / f"{name}.png", picture)
        imwrite(sr / f"{called.format(name)}.png", picture)
    pairs = find_pairs(hr, 2)
    scores = score_results(sr, pairs, Protocol.usual(2))
    assert [score.psnr for score in scores] == [np.inf] * 3
    if called == "{}_x2_SR":  # with --save_gt
        for name in ("a_x2_LR", "a_x2_HR"):
            imwrite(sr / f"{name}.png", picture)
        assert score_results(sr, pairs, Protocol.usual(2))[0].psnr == np.inf
    imwrite(sr / f"{called.format('a')}_2.png", picture)
    (sr / f"{called.format('a')}.png").rename(sr / "a_1.png")
    with pytest.raises(DataError, match="has 0 pictures named a, expected one"):
        score_results(sr, pairs, Protocol.usual(2))


def test_the_name_of_a_picture_may_begin_as_another(tmp_path):
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
    for i, name in enumerate(("img", "img_a", "img_a_b")):
        picture = np.random.default_rng(i).integers(0, 256, (32, 40, 3), np.uint8)
        imwrite(tmp_path / "hr" / f"{name}.png", picture)
        imwrite(tmp_path / "sr" / f"{name}_out.png", picture)
    scores = score_results(tmp_path / "sr", find_pairs(tmp_path / "hr", 2), Protocol.usual(2))
    assert [score.psnr for score in scores] == [np.inf] * 3
