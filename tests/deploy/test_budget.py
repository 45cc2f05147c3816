"""Memory and time that a user names."""

from __future__ import annotations

import pytest

from slimsr.deploy import budget
from slimsr.deploy.budget import parse_memory, tile_for
from slimsr.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2e9), ("800 MB", 8e8), ("1.5g", 1.5e9), ("2GiB", 2e9), ("5000000", 5e6), ("1T", 1e12)],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "0", "0GB", "1,5GB", "2 G B", "nan", "1e9", "2PB"]
)
def test_what_is_no_size(text):
    with pytest.raises(ConfigError, match=r"--memory .* is not valid: give a size such as 2GB"):
        parse_memory(text)


@pytest.fixture
def resident(monkeypatch):
    """The process holds 100 MB."""
    monkeypatch.setattr(budget, "_resident", lambda: 100 * 10**6)


def tile(memory, longest=1000):
    return tile_for(memory, 4000, 2, longest, smallest=48, largest=512)


def test_the_tile_grows_with_the_memory_and_stays_within_it(resident):
    tiles = [tile(megabytes * 10**6) for megabytes in (130, 200, 500, 1000, 10_000)]
    assert tiles == sorted(tiles) and len(set(tiles[:4])) == 4 and tiles[-1] == 512
    for megabytes, side in zip((130, 200, 500), tiles, strict=False):
        maps = 4000 * side * side
        assert maps < (megabytes - 100) * 10**6 < 4 * (maps + 16 * 4000 * 2 * side + 10**7)


def test_wide_pictures_get_lower_strips(resident):
    assert tile(500 * 10**6, longest=100_000) < tile(500 * 10**6)


def test_too_little(resident):
    with pytest.raises(ConfigError, match=r"--memory 110MB is too little: .* needs about \d+MB"):
        tile(110 * 10**6)


def test_nobody_is_refused_who_has_not_asked(resident):
    assert tile(None) == tile(10**9)
    assert tile_for(None, 10**6, 2, 1000, smallest=48, largest=512) == 48


def test_what_this_process_holds_is_more_than_nothing():
    assert 10**7 < budget._resident() < 10**11


@pytest.mark.parametrize(
    "text", ["9" * 400, "9" * 400 + "GB", "0." + "0" * 400 + "1", "1e999", "9" * 5000]
)
def test_sizes_of_hundreds_of_digits(text):
    with pytest.raises(ConfigError, match=r"--memory .* is not valid") as caught:
        parse_memory(text)
    assert len(str(caught.value)) < 200
