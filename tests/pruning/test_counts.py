"""Numbers of channels by DRC's rule, and the released sizes of DRN-S x4."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimsr.errors import ConfigError
from slimsr.models import create_model
from slimsr.pruning.counts import candidate_counts, uniform_count

# The sheet's table of the released rule: (channels, ratio) -> candidates.
TABLE = {
    (64, 0.3): (20, 24, 32, 36, 40, 44),
    (64, 0.5): (16, 20, 20, 24, 28, 32),
    (64, 0.7): (8, 12, 12, 16, 16, 20),
    (32, 0.3): (12, 12, 16, 16, 20, 20),
    (32, 0.5): (8, 8, 12, 12, 12, 16),
    (32, 0.7): (4, 4, 4, 8, 8, 8),
    (16, 0.3): (4, 4, 8, 8, 8, 12),
    (16, 0.5): (4, 4, 4, 4, 8, 8),
    (16, 0.7): (4, 4, 4, 4, 4, 4),
}


@pytest.mark.parametrize(("channels", "ratio"), TABLE)
def test_candidates_are_the_released_ones(channels, ratio):
    assert candidate_counts(channels, ratio) == TABLE[channels, ratio]
    assert uniform_count(channels, ratio) == TABLE[channels, ratio][-1]


@given(st.integers(1, 300), st.floats(0.01, 0.99))
def test_candidates_ascend_and_exist(channels, ratio):
    counts = candidate_counts(channels, ratio)
    assert len(counts) == 6 and list(counts) == sorted(counts)
    assert min(4, channels) <= counts[0] and counts[-1] <= channels
    assert all(n % 4 == 0 or n == channels for n in counts)
    # Never more than half a multiple above the share that the ratio leaves, or the least there is.
    assert counts[-1] <= max((1 - ratio) * channels + 2, 4)


# How the widths of the released files were found, which are known by their means alone (over the 30
# residual blocks of a phase, to one decimal). The number of parameters is linear in the widths
# (432 and 864 for each channel of the blocks down, 1153 in a residual block, 2340 and 2324 in the
# enlargements), and the releases count 24 constants of the mean shifts, which they train and we do
# not. For each ratio exactly one set of the candidates' widths gives the number: those of the two
# blocks down, those of the two enlargements, and the sum over all residual blocks. Of the ways to
# share the sum among the phases, in steps of four, the ones below agree with the means.
RELEASED = {
    # ratio: (parameters, mean widths, blocks down, enlargements, sums over residual blocks)
    0.3: (3_116_637, (40.3, 42.3), (12, 20), (40, 44), (1208, 1268)),
    0.5: (2_267_417, (28.7, 31.3), (4, 8), (28, 32), (860, 940)),
    0.7: (1_427_545, (18.0, 19.1), (4, 8), (20, 20), (540, 572)),
}
MEAN_SHIFTS = 24


def spread(total: int, layers: int, candidates: tuple[int, ...]) -> list[int]:
    """Return widths of two neighbouring candidates with the given sum."""
    upper = next(n for n in candidates if n * layers >= total)
    lower = upper - 4
    many, rest = divmod(total - lower * layers, 4)
    assert rest == 0 and {lower, upper} <= set(candidates)
    return [upper] * many + [lower] * (layers - many)


@pytest.mark.parametrize("ratio", RELEASED)
def test_released_widths_give_the_released_numbers_of_parameters(ratio):
    parameters, means, down, enlarged, sums = RELEASED[ratio]
    kept = [*down]
    for total, last in zip(sums, enlarged, strict=True):
        kept += [*spread(total, 30, candidate_counts(64, ratio)), last]
    channels = [16, 32] + [64] * 62
    assert all(n in candidate_counts(c, ratio) for n, c in zip(kept, channels, strict=True))
    net = create_model("drn_s", scale=4, kept=kept)
    assert sum(p.size for p in net.get_parameters()) == parameters - MEAN_SHIFTS
    found = [layer.count for layer in net.prunable()]
    assert found == kept
    for phase, mean in zip((found[2:32], found[33:63]), means, strict=True):
        assert round(float(np.mean(phase)), 1) == mean


@pytest.mark.parametrize("ratio", RELEASED)
def test_only_one_set_of_widths_gives_the_number(ratio):
    parameters, _, down, enlarged, sums = RELEASED[ratio]
    drn_s = create_model("drn_s", scale=4)
    inner = 432 * 16 + 864 * 32 + 1153 * 64 * 60 + (2340 + 2324) * 64
    outer = sum(p.size for p in drn_s.get_parameters()) - inner + MEAN_SHIFTS
    choices = [candidate_counts(c, ratio) for c in (16, 32, 64, 64)]
    found = set()
    for widths in np.ndindex(*(6,) * 4):
        a, b, first, second = (c[i] for c, i in zip(choices, widths, strict=True))
        rest = parameters - outer - 432 * a - 864 * b - 2340 * first - 2324 * second
        total, left = divmod(rest, 4 * 1153)
        if left == 0 and choices[2][0] * 15 <= total <= choices[2][-1] * 15:
            found.add((a, b, first, second, 4 * total))
    assert found == {(*down, *enlarged, sum(sums))}


def test_layers_that_can_be_pruned():
    layers = create_model("drn_s", scale=4).prunable()
    assert [layer.count for layer in layers] == [16, 32] + [64] * 62
    assert [layer.per_channel for layer in layers] == [1, 1] + 2 * ([1] * 30 + [4])
    assert len(create_model("drn_s", scale=8).prunable()) == 96
    assert len(create_model("edsr", n_blocks=3).prunable()) == 3
    assert len(create_model("rcan", n_groups=2, n_blocks=3).prunable()) == 6


@pytest.mark.parametrize(
    ("name", "kept", "message"),
    [
        ("edsr", [8, 8, 8], r"model\.kept has 3 numbers, but this network has 2 prunable layers"),
        ("edsr", [8, 0], r"model\.kept\[1\] = 0 is not valid: .* keep 1 to 16 of them"),
        ("edsr", [17, 8], r"model\.kept\[0\] = 17 is not valid"),
        ("edsr", ["many", 8], r"model\.kept\.0 = 'many' is not valid"),
        ("rcan", [8], r"model\.kept has 1 numbers, but this network has 20 prunable layers"),
        ("drn", [8] * 4, r"model\.kept has 4 numbers, but this network has 8 prunable layers"),
        ("drn", [17] + [8] * 7, r"keep 1 to 16 of them"),
    ],
)
def test_numbers_that_do_not_fit(name, kept, message):
    options = {"n_groups": 10} if name == "rcan" else {}
    with pytest.raises(ConfigError, match=message):
        create_model(name, scale=4, n_feats=16, n_blocks=2, kept=kept, **options)


@pytest.mark.parametrize("name", ["carn", "vdsr", "idn", "fsrcnn"])
def test_networks_that_cannot_be_pruned(name):
    with pytest.raises(ConfigError, match=r"cannot be pruned: choose one of .* drn, edsr, plain, "):
        create_model(name, scale=2).prunable()
