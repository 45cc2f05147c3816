"""The switches of a device, as far as a CPU accepts their calls."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import get_args

import mindspore as ms
import pytest
from mindspore.device_context.ascend import op_precision

from slimsr.device import switches
from slimsr.device.switches import precision_mode, set_switches
from slimsr.errors import DeviceError
from slimsr.settings import PrecisionMode, RunConfig

ALL_ON_A_CPU = """
import mindspore as ms, numpy as np
from slimsr.device import modes, switches
from slimsr.device.world import start_device
from slimsr.settings import RunConfig
ms.hal.get_device_name = lambda: "Ascend910B1"
options = RunConfig(
    device_target="Ascend", deterministic=True, memory=1.5, jit_level="O1", jit_backend="ms_backend"
)
start_device("CPU", prepare=lambda: switches.set_switches(options, "O0"))
assert ms.get_context("deterministic") == "ON"
def twice(x):
    return ms.ops.relu(x * 2).sum()
assert float(modes.compiled(twice)(ms.Tensor(np.ones(4, np.float32)))) == 8
switches.set_switches(options, "O0")  # again the same
"""


@pytest.fixture
def asked(monkeypatch):
    """What MindSpore is asked for: the names of the calls with their last arguments."""
    found = {}
    for owner, name in (
        (op_precision, "precision_mode"),
        (op_precision, "conv_allow_hf32"),
        (op_precision, "matmul_allow_hf32"),
        (ms, "set_deterministic"),
        (ms.runtime, "set_memory"),
    ):
        monkeypatch.setattr(
            owner, name, lambda *value, name=name, **other: found.update({name: value or other})
        )
    monkeypatch.setattr(ms.hal, "get_device_name", lambda: "Ascend910B4")
    monkeypatch.setattr(switches, "_set", {})
    return found


@pytest.mark.parametrize(
    ("chip", "mode"),
    [
        ("Ascend910B1", "must_keep_origin_dtype"),
        ("Ascend910_9382", "must_keep_origin_dtype"),
        ("Ascend910A", "allow_fp32_to_fp16"),
        ("Ascend910ProB", "allow_fp32_to_fp16"),
        ("Ascend910B", "allow_fp32_to_fp16"),  # of the first kind, in spite of its name
    ],
)
def test_float32_stays_what_it_is_where_the_chip_has_it(chip, mode):
    assert precision_mode("auto", "O0", chip) == mode
    assert precision_mode("auto", "O2", chip) == "auto"
    assert precision_mode("force_fp32", "O0", chip) == "force_fp32"


def test_a_run_asks_for_what_differs_from_the_default(asked):
    set_switches(RunConfig(), "O0")
    assert not asked
    set_switches(RunConfig(deterministic=True, memory=1.5), "O0")
    assert asked == {"set_deterministic": (True,), "set_memory": {"max_size": "1.5GB"}}


@pytest.mark.parametrize("amp", ["O0", "O2"])
def test_a_run_on_ascend_always_says_whether_float32_is_rounded(amp, asked):
    set_switches(RunConfig(device_target="Ascend"), amp)
    mode = {"precision_mode": ("must_keep_origin_dtype",)} if amp == "O0" else {}
    assert asked == mode | {"conv_allow_hf32": (False,), "matmul_allow_hf32": (False,)}


def test_what_cannot_be_set_again_is_said(asked):
    set_switches(RunConfig(deterministic=True), "O0")
    asked.clear()
    set_switches(RunConfig(deterministic=True), "O0")
    assert not asked
    with pytest.raises(DeviceError, match=r"run\.deterministic = False .* was True before"):
        set_switches(RunConfig(), "O0")


def test_mindspore_has_each_precision():
    text = inspect.getsource(op_precision.precision_mode)
    assert all(f'"{mode}"' in text for mode in get_args(PrecisionMode) if mode != "auto")


def test_mindspore_takes_the_calls_on_a_cpu(tmp_path):
    script = tmp_path / "all.py"
    script.write_text(ALL_ON_A_CPU)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_profile_of_some_steps(tmp_path):
    with switches.profiled(0, tmp_path) as after_step:
        after_step()
    assert not list(tmp_path.iterdir())
    x = ms.Tensor([1.0, -1.0])
    with switches.profiled(2, tmp_path) as after_step:
        for _ in range(5):
            ms.ops.relu(x).asnumpy()
            after_step()
    (trace,) = tmp_path.glob("*/*/trace_view.json")
    names = [event.get("name", "") for event in json.loads(trace.read_text())]
    assert any("ReLU" in name for name in names)
