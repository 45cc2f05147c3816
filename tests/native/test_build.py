"""The native library is made once, wherever that is possible, and else the log says why not."""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest

from slimsr.device import modes
from slimsr.errors import NativeError, OutputError
from slimsr.layers.functional import conv2d
from slimsr.native import build, compiler, operators

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the native library is for Linux on x86_64",
)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("switch", "SLIMSR_NATIVE is 0"),
        ("compiler", "no C\\+\\+ compiler: no-such-compiler"),
        ("failure", "false failed"),
        ("package", "package onednn-cpu-gomp is not installed"),
        ("platform", "Darwin on arm64"),
        ("folder", "no cache folder: .*slimsr cannot be written .* and .* cannot be written"),
        ("machine", "'sse9': choose native, wide, avx2, baseline"),
    ],
)
def test_the_log_says_why_mindspores_own_is_used(cause, reason, tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("SLIMSR_NATIVE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if cause == "switch":
        monkeypatch.setenv("SLIMSR_NATIVE", "0")
    elif cause == "compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
    elif cause == "failure":
        monkeypatch.setenv("CXX", "false")
    elif cause == "package":

        def missing(name):
            raise build.PackageNotFoundError(name)

        monkeypatch.setattr(build, "distribution", missing)
    elif cause == "platform":
        monkeypatch.setattr(build.platform, "system", lambda: "Darwin")
        monkeypatch.setattr(build.platform, "machine", lambda: "arm64")
    elif cause == "machine":
        monkeypatch.setenv("SLIMSR_NATIVE_ISA", "sse9")
    else:
        for name in ("slimsr", f"slimsr-cache-{os.getuid()}"):
            (tmp_path / name).write_text("in the way")
    operators.compiled.cache_clear()
    try:
        with caplog.at_level(logging.INFO):
            rng = np.random.default_rng(0)
            x, weight = (
                ms.Tensor(rng.standard_normal(shape).astype(np.float32))
                for shape in [(1, 3, 6, 6), (4, 3, 3, 3)]
            )
            for _ in range(2):
                found = conv2d(x, weight, None, 1).asnumpy()
    finally:
        operators.compiled.cache_clear()
    lines = [record.message for record in caplog.records if "MindSpore's own" in record.message]
    assert len(lines) == 1
    assert re.search(reason, lines[0]), lines[0]
    with modes.switched_off():
        np.testing.assert_array_equal(found, conv2d(x, weight, None, 1).asnumpy())


@pytest.fixture
def made(monkeypatch):
    """The library of this machine; whatever is compiled after this is a copy of it."""
    whole = build.build()

    def copy(*arguments):
        target = arguments[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(whole, target)

    monkeypatch.setattr(build, "_compile", copy)
    return whole


def test_each_kind_of_processor_has_its_own_library(made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SLIMSR_NATIVE_ISA", raising=False)
    paths = [build.build() for _ in range(2)]
    monkeypatch.setenv("SLIMSR_NATIVE_ISA", "baseline")
    paths.append(build.build())
    monkeypatch.delenv("SLIMSR_NATIVE_ISA")
    monkeypatch.setattr(build, "_processor", lambda: "flags : fpu sse4_1")
    assert paths[0] == paths[1] and len({*paths, build.build()}) == 3
    monkeypatch.setenv("SLIMSR_NATIVE_ISA", "avx2")
    with pytest.raises(NativeError, match="SLIMSR_NATIVE_ISA=avx2: no avx2 on this processor"):
        build.build()


def test_a_processor_that_does_not_tell_what_it_is(monkeypatch):
    def unreadable(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert build._processor() == platform.node()
    assert build.machine().compiler


def test_an_environment_reached_by_a_link_has_the_same_library(tmp_path, monkeypatch):
    (tmp_path / "whole" / "lib").mkdir(parents=True)
    (tmp_path / "whole" / "lib" / "libdnnl.so.3").touch()
    (tmp_path / "link").symlink_to("whole")
    found = set()
    for name in ("whole", "link"):
        path = tmp_path / name / "lib" / "libdnnl.so.3"
        file = SimpleNamespace(locate=lambda path=path: path, size=0)
        monkeypatch.setattr(build, "distribution", lambda name, f=file: SimpleNamespace(files=[f]))
        found.add(build._packaged("onednn", "lib/libdnnl.so.3"))
    assert found == {tmp_path / "whole" / "lib" / "libdnnl.so.3"}


@pytest.mark.parametrize("fault", ["half", "bit", "empty", "text", "folder"])
def test_a_damaged_library_is_made_anew(made, tmp_path, monkeypatch, fault):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    target = build.build()
    data = bytearray(made.read_bytes())
    if fault == "half":
        target.write_bytes(data[: len(data) // 2])
    elif fault == "bit":
        data[len(data) // 3] ^= 4
        target.write_bytes(data)
    elif fault == "folder":
        target.unlink()
        target.mkdir()
        with pytest.raises(NativeError, match=r"cannot write .*conv.so: Is a directory"):
            build.build()
        return
    else:
        target.write_text("no library" if fault == "text" else "")
    assert build.build() == target
    assert target.read_bytes() == made.read_bytes()


def test_a_folder_that_cannot_be_written_serves_where_the_library_is_there(
    made, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    target = build.build()

    def refuse():
        raise OutputError("no cache folder: all is read-only")

    monkeypatch.setattr(build, "cache_folder", refuse)
    assert build.build() == target
    target.unlink()
    with pytest.raises(NativeError, match="no cache folder: all is read-only"):
        build.build()


@pytest.mark.parametrize("home", [None, "/proc/nobody"])
def test_without_a_home_the_library_goes_to_a_private_temporary_folder(
    made, tmp_path, monkeypatch, home
):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home or "")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert build.build().is_relative_to(tmp_path / f"slimsr-cache-{os.getuid()}")


def test_a_cut_oneDNN_is_not_opened(tmp_path, monkeypatch):
    (tmp_path / "libdnnl.so.3").write_bytes(b"half")
    file = SimpleNamespace(locate=lambda: tmp_path / "libdnnl.so.3", size=8)
    monkeypatch.setattr(build, "distribution", lambda name: SimpleNamespace(files=[file]))
    with pytest.raises(NativeError, match=r"onednn has no whole libdnnl.so.3: install it again"):
        build._packaged("onednn", "libdnnl.so.3")
    file.size = 4
    assert build._packaged("onednn", "libdnnl.so.3") == tmp_path / "libdnnl.so.3"


def test_a_compiler_may_have_a_wrapper(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "env LC_ALL=C g++")
    command = compiler.find()
    assert command == ("env", "LC_ALL=C", "g++")
    made = tmp_path / "a.so"
    compiler.run(*command, "-shared", "-o", str(made), "-x", "c++", os.devnull, result=made)
    assert made.read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setenv("CXX", "g++ 'half")
    with pytest.raises(NativeError, match=r"CXX=.* cannot be read: No closing quotation"):
        compiler.find()


def test_a_compiler_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "PATIENCE", 1)
    child = tmp_path / "child"
    with pytest.raises(NativeError, match="sh has not ended after 1 s"):
        compiler.run("sh", "-c", f"sleep 600 & echo $! > {child}; wait", result=tmp_path / "a.so")
    state = Path(f"/proc/{child.read_text().strip()}/stat")
    for _ in range(100):  # until whoever adopted it has taken notice
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the compiler's child still runs")


def test_a_compiler_that_makes_nothing(tmp_path):
    with pytest.raises(NativeError, match="true made no library, and no error"):
        compiler.run("true", result=tmp_path / "a.so")
    (tmp_path / "g++").write_text("no program")
    (tmp_path / "g++").chmod(0o755)
    with pytest.raises(NativeError, match="g\\+\\+ cannot be run: Exec format error"):
        compiler.run(str(tmp_path / "g++"), result=tmp_path / "a.so")


def test_processes_that_compile_at_once_where_half_a_library_lies(tmp_path):
    whole = build.build()
    target = tmp_path / "slimsr" / "native" / whole.parent.name / whole.name
    target.parent.mkdir(parents=True)
    target.write_bytes(whole.read_bytes()[:30000])
    # In place of the compiler, which takes long, something that makes the same.
    slow = tmp_path / "g++"
    slow.write_text(f'#!/bin/sh\nsleep 1\nwhile [ "$1" != -o ]; do shift; done\ncp {whole} "$2"\n')
    slow.chmod(0o755)
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CXX": str(slow)}
    command = [sys.executable, "-m", "slimsr.native.build"]
    started = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] and outputs[0][0].startswith(f"{target}, ")
    assert [p for p in (tmp_path / "slimsr" / "native").rglob("*") if p.is_file()] == [target]


@pytest.mark.parametrize(
    ("asked", "processes", "threads"), [("3", "2", 3), ("", "2", 4), ("", "16", 1), ("no", "", 8)]
)
def test_threads_share_the_cores_with_other_processes(asked, processes, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setenv("MS_WORKER_NUM", processes)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    assert build.threads() == threads
