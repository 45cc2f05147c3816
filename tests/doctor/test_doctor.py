"""slimsr doctor: every piece that is missing or does not fit is named, and nothing crashes."""

from __future__ import annotations

import sys

import pytest

from slimsr.commands import doctor as command
from slimsr.doctor import machine as module
from slimsr.doctor.examine import examine
from slimsr.doctor.machine import Machine

HOME = "/opt/mindspore-lite-2.7.1-linux-aarch64"
INFO = "/usr/local/Ascend/driver/version.info"
CANN = "/cann/aarch64-linux/ascend_toolkit_install.info"


class Fake(Machine):
    """A whole machine with an NPU, of which tests take pieces away."""

    def __init__(self, packages=(), environ=(), texts=(), files=(), broken=(), **changed):
        self.packages = {
            "mindspore": "2.7.2",
            "numpy": "1.26.4",
            "openvino": "2025.2",
            "pyvips": "3.2.0",
            "onnx": "1.17.0",
            "pillow": "11.0.0",
            "pydantic": "2.9.0",
            "pyyaml": "6.0.2",
            "safetensors": "0.4.5",
            "matplotlib": "3.9.0",
            "tqdm": "4.67.0",
        } | dict(packages)
        self.environ = {
            "MINDSPORE_LITE_HOME": HOME,
            "LD_LIBRARY_PATH": f"/a:{HOME}/runtime/lib:{HOME}/tools/converter/lib",
            "ASCEND_HOME_PATH": "/cann",
        } | dict(environ)
        self.texts = {
            "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n",
            INFO: "Version=25.2.0\n",
            CANN: "package_name=x\nversion=8.5.0\n",
        } | dict(texts)
        self.there = {
            "/dev": ["/dev/davinci0"],
            "/cann": [CANN],
            f"{HOME}/runtime/lib": ["libmindspore-lite.so"],
        } | dict(files)
        self.broken, self.changed = dict(broken), changed

    def python(self):
        return self.changed.get("python", (3, 11, 2))

    def package(self, name):
        return self.packages.get(name, "")

    def import_error(self, name):
        return self.broken.get(name, "")

    def says(self, *command):
        return self.changed.get("compiler", "g++ 12.2.0")

    def text(self, path):
        return self.texts.get(str(path), "")

    def files(self, folder, pattern):
        fits = str(folder) != "/cann" or pattern == "*/ascend_toolkit_install.info"
        return self.there.get(str(folder), []) if fits else []

    def native(self):
        return self.changed.get("native", "")

    def cores(self):
        return 4


def test_a_whole_machine():
    found = {finding.piece: finding for finding in examine(Fake())}
    assert not any(finding.advice for finding in found.values())
    assert found["CANN"].found == "8.5.0" and found["driver"].found == "25.2.0"
    assert found["MindSpore Lite"].found == f"2.7.1 in {HOME}"
    assert found["NPU"].found == "davinci0" and found["memory"].found == "8.0 GiB free"


@pytest.mark.parametrize(
    ("fake", "piece", "words", "needed"),
    [
        ({"python": (3, 13, 0)}, "Python", "use Python 3.10, 3.11 or 3.12", True),
        ({"packages": {"mindspore": ""}}, "MindSpore", "pip install -r", True),
        (
            {"packages": {"mindspore": "2.11.0"}, "environ": {"MINDSPORE_LITE_HOME": ""}},
            "MindSpore",
            "expected 2.7.2 to 2.10",
            True,
        ),
        (
            {"packages": {"mindspore": "2.7.1"}},
            "MindSpore",
            "expected 2.7.2 to 2.10",
            True,
        ),
        ({"packages": {"onnx": ""}}, "onnx", "pip install -r requirements.txt", True),
        ({"broken": {"yaml": "ImportError: y"}}, "pyyaml", "(ImportError: y)", True),
        (
            {"environ": {"LD_LIBRARY_PATH": f"{HOME}/runtime/lib"}},
            "MindSpore Lite",
            "add $MINDSPORE_LITE_HOME/tools/converter/lib",
            True,
        ),
        ({"broken": {"mindspore": "ImportError: x"}}, "MindSpore", "(ImportError: x)", True),
        ({"packages": {"numpy": "2.1.0"}}, "NumPy", '"numpy<2"', True),
        ({"files": {f"{HOME}/runtime/lib": []}}, "MindSpore Lite", "no runtime/lib", True),
        ({"environ": {"LD_LIBRARY_PATH": ""}}, "MindSpore Lite", "to LD_LIBRARY_PATH", True),
        ({"packages": {"mindspore": "2.10.0"}}, "MindSpore Lite", "use one version", True),
        ({"texts": {CANN: ""}}, "CANN", "install CANN 8.5", True),
        ({"texts": {CANN: "version=8.0.0"}}, "CANN", "goes with CANN 8.5", True),
        (
            {"environ": {"ASCEND_HOME_PATH": "", "ASCEND_TOOLKIT_HOME": "/cann"}},
            "CANN",
            "source set_env.sh",
            True,
        ),
        ({"texts": {INFO: ""}}, "driver", "install the driver", True),
        ({"files": {"/dev": []}}, "NPU", "no /dev/davinci*", True),
        ({"compiler": ""}, "compiler", "apt-get install g++", False),
        ({"native": "no compiler"}, "native kernels", "is slow", False),
        ({"packages": {"openvino": ""}}, "OpenVINO", "pip install openvino", False),
        ({"broken": {"openvino": "OSError: x"}}, "OpenVINO", "(OSError: x)", False),
        ({"packages": {"pyvips": ""}}, "libvips", "pyvips[binary]", True),
        ({"broken": {"pyvips": "OSError: libvips"}}, "libvips", "(OSError: libvips)", True),
        ({"texts": {"/proc/meminfo": "MemAvailable: 1024 kB"}}, "memory", "below 2 GiB", False),
    ],
)
def test_a_missing_piece_is_named(fake, piece, words, needed):
    wrong = [finding for finding in examine(Fake(**fake)) if finding.advice]
    assert [finding.piece for finding in wrong] == [piece]
    assert words in wrong[0].advice and wrong[0].needed is needed
    assert "\n" not in wrong[0].found + wrong[0].advice


def test_a_cpu_host_lacks_nothing():
    fake = Fake(
        files={"/dev": [], "/cann": []},
        texts={INFO: ""},
        environ={
            "MINDSPORE_LITE_HOME": "",
            "ASCEND_HOME_PATH": "",
        },
    )
    found = examine(fake)
    assert not any(finding.advice for finding in found)
    assert sum("not there" in finding.found for finding in found) == 3


def test_an_empty_machine_is_described():
    fake = Fake(python=(3, 9, 0), compiler="", native="nothing")
    fake.packages, fake.environ, fake.texts, fake.there = {}, {}, {}, {}
    wrong = {finding.piece for finding in examine(fake) if finding.advice and finding.needed}
    packages = {"onnx", "pillow", "pydantic", "pyyaml", "safetensors", "matplotlib", "tqdm"}
    assert wrong == {"Python", "MindSpore", "NumPy", "libvips", *packages}


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(module, "Machine", Fake)
    assert command.main([]) == 0
    assert capsys.readouterr().out.endswith("\nnothing is wrong\n")
    monkeypatch.setattr(module, "Machine", lambda: Fake(python=(3, 13, 0)))
    assert command.main([]) == 2
    out = capsys.readouterr().out
    assert out.endswith("\nto mend: Python\n") and "  <- MindSpore has no package" in out


def test_what_is_asked_answers_without_crashing():
    machine = Machine()
    assert machine.package("no-such-package") == "" == machine.says("no-such-program")
    assert "No module named" in machine.import_error("no_such_module")
    assert machine.import_error("os; os.abort()").startswith(("it ends by", "Fatal", "Extension"))
    assert machine.text("/nowhere") == "" and machine.files("/nowhere", "*") == []
    assert machine.says(sys.executable, "-c", "print('a')") == "a"
    assert machine.cores() >= 1
