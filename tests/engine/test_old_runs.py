"""Runs that were begun before an option existed go on."""

from __future__ import annotations

import pytest

from slimsr.config import build_config
from slimsr.engine.record import check_same_run
from slimsr.errors import ConfigError


def test_a_run_of_before_the_degradation_was_an_option():
    config = build_config({})
    saved = config.to_dict()
    del saved["data"]["degradation"]
    check_same_run(saved, config, "csd")
    config.data.degradation = "unknown"
    with pytest.raises(ConfigError, match=r"data\.degradation was auto, now unknown"):
        check_same_run(saved, config, "csd")
