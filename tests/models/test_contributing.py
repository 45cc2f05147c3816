"""The network that docs/contributing.md shows is a whole one: made, widened, recognised."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

# In a process of its own, so that no other test sees one network more.
_USE = """
import mindspore as ms, numpy as np
import network, case
from slimsr.models import create_model, list_presets
from slimsr.models.widths import extract
from slimsr.weights.conventions import to_release
from slimsr.weights.recognise import recognise
from slimsr.weights.releases import find_release

assert "srcnn_915" in list_presets()
for form in case.FORMS.values():
    net = create_model(form.name, scale=2, **form.options)
    x = ms.Tensor(np.full((1, 3, 5, 6), 100, np.float32))
    taps, sr = net.features(x)
    assert sr.shape == (1, 3, 10, 12)
    assert [(tap.shape[1], tap.shape[2] // 5) for tap in taps] == form.taps
    assert np.allclose(extract(net, 0.5)(x).asnumpy(), net(x, 0.5).asnumpy(), atol=1e-3)
    release = find_release(net, "srcnn-pytorch")
    shapes = {name: array.shape for name, array in to_release(net, release).items()}
    found = recognise(shapes, "file", None, {"scale": 2})
    assert found.release == release and found.net.config == net.config
options, pairs = case.LAYERS["srcnn-pytorch"]
ours = release.parameters(create_model("srcnn", **options))
for pair in pairs.split():
    theirs, own = pair.split("=")
    assert ours[f"{theirs}.weight"] == f"{own}.weight"
print("used")
"""


@pytest.fixture
def blocks(repo) -> list[str]:
    text = (repo / "docs" / "contributing.md").read_text(encoding="utf-8")
    section = re.search(r"^## A new network\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_network_of_the_guide_is_a_whole_one(blocks, repo, tmp_path):
    for name, block in zip(("network", "case"), blocks, strict=True):
        (tmp_path / f"{name}.py").write_text(block)
    (tmp_path / "use.py").write_text(f"import sys\nsys.path[1:1] = {[str(repo)]!r}\n{_USE}")
    done = subprocess.run([sys.executable, tmp_path / "use.py"], capture_output=True, text=True)
    assert done.stdout == "used\n", done.stderr
