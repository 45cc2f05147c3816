"""Fixtures shared by all tests: the folder of reference numbers and pictures, and golden files."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest

# The second for what it sets in the environment, which MindSpore reads when it is imported.
from slimsr.commands import cli  # noqa: F401
from slimsr.inference.openvino_module import openvino_installed
from tests import forks

ROOT = Path(__file__).resolve().parents[1]
# For what tests start: this checkout's package, whatever else is installed.
os.environ["PYTHONPATH"] = str(ROOT / "src")


# The longest files come first: the last of two processes is not left alone with one of them. The
# second builds the harness, for which other files would wait.
_LONG = (
    "system/test_distributed",
    "ascend310/test_fuzz_with_harness",
    "models/test_networks",
    "deploy/test_every_network",
    "native/test_golden_without_native",
    "system/",
    "ascend310/",
    "methods/",
    "inference/test_runtimes",
    "exported/test_onnx_graph",
    "engine/",
    "deploy/",
    "native/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what compares with the reference numbers, skip what cannot run; long ones first."""
    skip = pytest.mark.skip(reason="openvino is not installed")
    for item in items:
        if item.get_closest_marker("openvino") and not openvino_installed():
            item.add_marker(skip)
        if "golden" in getattr(item, "fixturenames", ()):
            item.add_marker("golden")

    def place(item: pytest.Item) -> int:
        name = item.path.relative_to(ROOT / "tests").as_posix()
        return next((i for i, start in enumerate(_LONG) if name.startswith(start)), len(_LONG))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what is imported and collected, which stays to the end.

    It would look at all of that again and again meanwhile, and MindSpore calls it before each graph
    of a cell: a quarter of a second each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Fork the server of `tests.forks` while all is imported and nothing has run."""
    if "mindspore" in sys.modules:
        forks.begin()
    try:
        return (yield)
    finally:
        forks.end()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises, though what a shell or pytest-xdist has started may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def one_operator_after_another() -> None:
    """Keep MindSpore's threads from spinning: two test processes would wait for each other's.

    What is compiled, and what tests start, runs as it does for everybody.
    """
    if "mindspore" in sys.modules:
        from slimsr.device.modes import run_one_by_one

        run_one_by_one()


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    """New networks start from the same weights in every run, whatever ran before in the process."""
    if "mindspore" in sys.modules:
        sys.modules["mindspore"].set_seed(0)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data: environment variable SLIMSR_SHARED, else ../shared."""
    path = Path(os.environ.get("SLIMSR_SHARED", ROOT.parent / "shared")).resolve()
    if not (path / "golden").is_dir():
        pytest.skip(f"reference data not found at {path}: set SLIMSR_SHARED to its folder")
    return path


@pytest.fixture(scope="session")
def golden(shared: Path):
    """Loader of one golden file: ``golden("csd_edsr_x2")`` returns a dict of arrays."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(shared / "golden" / f"{name}.npz") as file:
            return {key: file[key] for key in file.files}

    return load


@pytest.fixture(scope="session")
def golden_edsr(golden):
    """Loader of the released EDSR: ``golden_edsr(2)`` returns its golden arrays and its network.

    The network is a new one at each call.
    """
    from slimsr.models import create_model
    from slimsr.weights.loading import load_reference_weights
    from tests.networks import below

    def load(scale: int):
        data = golden(f"csd_edsr_x{scale}")
        net = create_model("edsr", scale=scale, n_feats=16, n_blocks=3, res_scale=0.1)
        load_reference_weights(net, below(data, "param/"))
        return data, net

    return load


@pytest.fixture(scope="session")
def run_on_full_disk(repo: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run Python code that cannot write files of more than 5000 bytes: as if the disk were full."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", "-c", code],  # -B: nor may it cut short what it compiles
            cwd=repo,
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        )

    return run
