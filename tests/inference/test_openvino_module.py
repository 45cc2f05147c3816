"""OpenVINO, ONNX, pyvips and MindSpore in one process: in any order, silent, and to a clean end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from slimsr.exported.onnx_graph import to_onnx
from slimsr.inference.runtime import OpenVinoRuntime
from slimsr.models import create_model

openvino = pytest.mark.openvino


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An ONNX file of a tiny EDSR x2."""
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    path.write_bytes(
        to_onnx(create_model("edsr", scale=2, n_feats=4, n_blocks=1)).SerializeToString()
    )
    return path


def child(code, repo, **environment):
    """Run code in a process of its own; return what it printed after a clean end."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


RUN = """
import numpy as np
from slimsr.inference.runtime import OpenVinoRuntime
runtime = OpenVinoRuntime({model!r})
print(runtime.run(np.zeros((1, 3, 5, 4), np.float32)).shape)
"""


@openvino
def test_nothing_is_looked_up_or_written_at_home(model, repo, tmp_path):
    spy = """
import socket
def refuse(*arguments, **options):
    print("asked for", arguments)
    raise OSError("refused")
socket.getaddrinfo = socket.gethostbyname = socket.socket.connect = refuse
"""
    # In CI the telemetry would be off by itself.
    environment = {"HOME": str(tmp_path), "CI": "", "TF_BUILD": "", "JENKINS_URL": ""}
    assert child(spy + RUN.format(model=str(model)), repo, **environment) == "(1, 3, 10, 8)\n"
    assert list(tmp_path.iterdir()) == []


def sources(repo):
    folders = [repo / name for name in ("src", "scripts", "benchmarks", "tests")]
    files = [*repo.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return {path.relative_to(repo).as_posix(): path.read_text() for path in files}


def test_openvino_is_imported_in_one_place(repo):
    found = [
        name
        for name, text in sources(repo).items()
        if re.search(r"^ *import openvino$", text, re.MULTILINE)
    ]
    assert found == ["src/slimsr/inference/openvino_module.py"]


def test_mindspore_is_imported_before_onnx(repo):
    """Else the process ends by a crash; an import that Python has done already costs nothing."""
    for name, text in sources(repo).items():
        at = re.search(r"^(import onnx|from onnx)\b", text, re.MULTILINE)
        if at and name.startswith("src/"):
            assert re.search(r"^(import|from) mindspore\b", text[: at.start()], re.MULTILINE), name


ORDERS = [
    ("openvino", "pyvips", "mindspore", "onnx"),
    ("mindspore", "onnx", "pyvips", "openvino"),
    pytest.param(("pyvips", "openvino", "slimsr.exported.memory"), marks=pytest.mark.slow),
    pytest.param(
        ("slimsr.exported.onnx_rewrite", "mindspore", "openvino", "pyvips"), marks=pytest.mark.slow
    ),
]


@openvino
@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_imports_runs_and_ends_well(order, model, repo):
    """Each library works after all are there, from threads too, and signals are still Python's."""
    lines = [
        "from slimsr.commands import cli",
        "from slimsr.inference.openvino_module import import_openvino",
    ]
    for name in order:
        lines.append("import_openvino()" if name == "openvino" else f"import {name}")
    code = (
        "\n".join(lines)
        + RUN.format(model=str(model))
        + """
import os, signal, threading
import pyvips, mindspore, onnx
def work():
    print(pyvips.Image.black(4, 3).invert().avg())
thread = threading.Thread(target=work); thread.start(); thread.join()
print(mindspore.Tensor([1.0, 2.0]).sum().asnumpy(), len(onnx.load({model!r}).graph.input))
del runtime
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda n, _: print("signal", n))
    os.kill(os.getpid(), number)
""".replace("{model!r}", repr(str(model)))
    )
    found = child(code, repo, GLOG_v="3")
    assert found == "(1, 3, 10, 8)\n255.0\n3.0 1\nsignal 2\nsignal 15\n"


@openvino
def test_results_do_not_come_from_memory_that_was_given_back(model, repo):
    """What `Upscaler` makes of views into OpenVINO's memory is what it makes of copies."""
    code = """
import gc
import numpy as np
from slimsr.inference.runtime import OpenVinoRuntime
from slimsr.inference.upscaler import Upscaler
runtime = OpenVinoRuntime({model!r})
rng = np.random.default_rng(0)
kept = []
for number in range(24):
    bands, dtype = 1 + number % 4, (np.uint8, np.uint16)[number // 4 % 2]
    shape = (*rng.integers(20, 90, 2), bands)
    picture = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    options = dict(tile=48, overlap=4 if number % 3 else 8, self_ensemble=number % 5 == 0)
    upscale = Upscaler(runtime.run, 2, 8, **options)
    safe = Upscaler(lambda batch: runtime.run(batch.copy()).copy(), 2, 8, **options)
    kept.append((upscale(picture), safe(picture)))
last = runtime.run(np.zeros((1, 3, 30, 30), np.float32))
expected = last.copy()
del runtime, upscale, safe
gc.collect()
print(all(np.array_equal(*pair) for pair in kept), np.array_equal(last, expected))
"""
    # Freed memory is overwritten by the C library.
    found = child(code.replace("{model!r}", repr(str(model))), repo, MALLOC_PERTURB_="165")
    assert found == "True True\n"


@openvino
def test_several_threads_at_once_get_what_one_gets(model):
    runtime = OpenVinoRuntime(model)
    run = runtime.in_threads(2)
    rng = np.random.default_rng(0)
    sizes = [(20 + 3 * n, 50 - n) for n in range(12)]
    batches = [rng.uniform(0, 255, (1, 3, *size)).astype(np.float32) for size in sizes]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda batch: run(batch).copy(), batches))
    for batch, result in zip(batches, found, strict=True):
        np.testing.assert_array_equal(result, runtime.run(batch))


@openvino
def test_without_memory_for_several_threads_the_network_takes_turns(model, monkeypatch):
    def fails(self, options):
        raise RuntimeError("bad_alloc")

    runtime = OpenVinoRuntime(model)
    monkeypatch.setattr(OpenVinoRuntime, "_compiled", fails)
    assert runtime.in_threads(2) is None
    assert runtime.run(np.zeros((1, 3, 8, 8), np.float32)).shape[:2] == (1, 3)


@openvino
def test_memory_does_not_grow_with_the_number_of_sizes(model, repo):
    """Without a bound these sizes add some 100 MB."""
    code = """
import numpy as np
from slimsr.inference.runtime import OpenVinoRuntime
runtime = OpenVinoRuntime({model!r})
sizes = [(20 + n % 40, 20 + n // 40) for n in range(320)]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
runtime.run(np.zeros((1, 3, 60, 60), np.float32))
for number, (height, width) in enumerate(sizes):
    runtime.run(np.zeros((1, 3, height, width), np.float32))
    if number == 120:
        before = resident()
print(resident() - before)
""".replace("{model!r}", repr(str(model)))
    assert float(child(code, repo)) < 40


def test_the_mindir_of_free_size_is_compiled_once(tmp_path, monkeypatch):
    import mindspore as ms

    from slimsr.exported.mindir import load_mindir, write_mindir
    from slimsr.inference.runtime import MindSporeRuntime

    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    write_mindir(net, tmp_path / "a.mindir", (None, 3, None, None))
    runtime = MindSporeRuntime(load_mindir(tmp_path / "a.mindir"))
    compiled = []
    compile_cell = ms.common.api._CellGraphExecutor.compile

    def counted(self, *args, **kwargs):
        phase, done = compile_cell(self, *args, **kwargs)
        compiled.append(done)
        return phase, done

    monkeypatch.setattr(ms.common.api._CellGraphExecutor, "compile", counted)
    rng = np.random.default_rng(0)
    for height, width in ((5, 6), (9, 4), (30, 31)):
        x = rng.uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        expected = net(ms.Tensor(x)).asnumpy()
        np.testing.assert_allclose(runtime.run(x), expected, atol=1e-5 * np.abs(expected).max())
    assert sum(compiled) == 1


def test_few_shapes_are_compiled():
    from slimsr.inference.runtime import WORTH_COMPILING, MindSporeRuntime

    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    runtime = MindSporeRuntime(net)
    for n in range(3000):
        for _ in range(WORTH_COMPILING if n < 20 else 1):
            runtime._comes_often((1, 3, n, n))
    assert len(runtime.often) == 8 and len(runtime.seen) <= 1000
    assert runtime._comes_often((1, 3, 0, 0)) and not runtime._comes_often((1, 3, 15, 15))
