"""examples/many_pictures.py on a cluster of two workers gives what upscale.py gives."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest

from tests.report.hostile import put_set
from tests.system.tiny import ROOT

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install ".[cluster]"')
pytestmark = [
    pytest.mark.system,
    pytest.mark.openvino,
]


@pytest.fixture(scope="module")
def address():
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


def results(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.png")}


@pytest.mark.parametrize("parts", [1, 3])
def test_two_workers_give_what_one_process_gives(address, parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), *sys.path]))
    pictures = tmp_path / "in"
    put_set(pictures, names=["a", "b", "c"], size=(32, 40))
    put_set(pictures / "below", names=["a", "d"], size=(24, 30))
    (pictures / "below" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    alone = tmp_path / "alone"
    command = [sys.executable, ROOT / "upscale.py", "--model", "tiny_x2", "--input", pictures]
    done = subprocess.run([*command, "--output", alone], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout.endswith(": 5 done, 0 done before, 1 failed\n")

    main = runpy.run_path(str(ROOT / "examples/many_pictures.py"))["main"]
    args = ["--input", pictures, "--output", tmp_path / "out", "--model", "tiny_x2"]
    args = list(map(str, [*args, "--parts", parts, "--address", address]))
    assert main(args) == 2
    said = capsys.readouterr()
    assert ": 5 done, 0 done before, 1 failed\n" in said.out and "bad.png" in said.err
    found = results(tmp_path / "out")
    assert {len(name.parts) for name in found} == ({1, 2} if parts == 1 else {2, 3})
    plain = {
        name.parent.parent / name.name if parts > 1 else name: data for name, data in found.items()
    }
    assert plain == results(alone)
    ray.shutdown()

    next(iter((tmp_path / "out").rglob("d.png"))).unlink()
    assert main(args) == 2
    assert ": 1 done, 4 done before, 1 failed\n" in capsys.readouterr().out
    assert results(tmp_path / "out") == found
    ray.shutdown()
