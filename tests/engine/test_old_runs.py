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


def test_a_run_of_before_weights_were_averaged():
    config = build_config({})
    saved = config.to_dict()
    del saved["train"]["ema"], saved["train"]["skip_above"]
    check_same_run(saved, config, "csd")
    config.train.ema = 0.999
    with pytest.raises(ConfigError, match=r"train\.ema was 0\.0, now 0\.999"):
        check_same_run(saved, config, "csd")


def test_a_run_of_before_the_pixel_loss_was_an_option():
    config = build_config({})
    saved = config.to_dict()
    del saved["method"]["pixel_loss"], saved["method"]["fourier"]
    check_same_run(saved, config, "csd")
    config.method["pixel_loss"] = "l2"
    with pytest.raises(ConfigError, match=r"method\.pixel_loss was l1, now l2"):
        check_same_run(saved, config, "csd")
