"""Processes forked from pytest's, after it has collected and before it has run anything.

Importing MindSpore takes four seconds of a core, and hundreds of tests want a process that has done
so. That the commands start as they are is for the tests that start them, see `system.tiny.run`.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import importlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NoReturn

_server: socket.socket | None = None
_pid = 0  # of the server
_LONGEST = 2**20  # bytes of what is asked


class Process:
    """A process that the server has forked, for tests like one of `subprocess.Popen`."""

    def __init__(self, pid: int, ended: int):
        self.pid, self._ended = pid, ended
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; `subprocess.TimeoutExpired` if it takes longer, in seconds."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            self.returncode = int(os.read(self._ended, 9))
            os.close(self._ended)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)

    def send_signal(self, number: int) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without warning."""
        self.send_signal(signal.SIGKILL)


def fork(
    function: str,
    *args: object,
    cwd: Path,
    out: IO | int,
    err: IO | int,
    stdin: IO | int | None = None,
    env: dict[str, str] | None = None,
) -> Process:
    """Call a function in a process and session of its own, as if it had been imported there.

    Args:
        function: ``package.module:name``; what it returns, None for 0, is the exit code.
        *args: what JSON can say.
        cwd: the current folder.
        out: standard output, and
        err: standard error: open files or their descriptors.
        stdin: standard input; none.
        env: what changes in the environment.
    """
    assert _server is not None, "MindSpore was not imported when the tests were collected"
    env = {**os.environ, **(env or {})}
    asked = {"function": function, "args": args, "cwd": str(cwd), "env": env}
    ended, tells = os.pipe()
    with open(os.devnull, "rb") as nothing:
        files = [f if isinstance(f, int) else f.fileno() for f in (stdin or nothing, out, err)]
        socket.send_fds(_server, [json.dumps(asked).encode()], [*files, tells])
    os.close(tells)
    return Process(int(_server.recv(9)), ended)


def fork_script(
    script: str, *args: str, cwd: Path, out: IO | int, err: IO | int, **env: str
) -> Process:
    """Run an entry script, ``train.py``, in a forked process; its temporary files go to `cwd`."""
    return fork(
        "tests.forks:_script",
        script.removesuffix(".py"),
        args,
        cwd=cwd,
        out=out,
        err=err,
        env={"TMPDIR": str(cwd), **env},
    )


def run(script: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an entry script to its end, as `system.tiny.run` does, in a forked process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = fork_script(script, *args, cwd=cwd, out=out, err=err).wait()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess([script, *args], code, out.read(), err.read())


def begin() -> None:
    """Fork the server, which ends with this process."""
    global _server, _pid
    _server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _pid = os.fork()
    if _pid == 0:
        os.dup2(theirs.detach(), 3)
        _serve(socket.socket(fileno=3))
    theirs.close()


def end() -> None:
    """Let the server end."""
    global _server
    if _server is not None:
        _server.close()
        _server = None
        os.waitpid(_pid, 0)


def _serve(asking: socket.socket) -> NoReturn:
    os.closerange(4, 1024)  # of them some are pytest's, which shall be closed when it ends
    _forget_pytest()
    children: dict[int, int] = {}  # process: where its end is told

    def reap(*_: object) -> None:
        for pid in list(children):
            try:
                done, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue  # a signal in between has called this, too
            if done:
                tells = children.pop(pid)
                with contextlib.suppress(BrokenPipeError):
                    os.write(tells, b"%d" % os.waitstatus_to_exitcode(status))
                os.close(tells)

    signal.signal(signal.SIGCHLD, reap)
    while True:
        said, files, *_ = socket.recv_fds(asking, _LONGEST, 4)
        if not said:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            for number, file in enumerate(files[:3]):
                os.dup2(file, number)
            os.setsid()
            _call(json.loads(said))
        for file in files[:3]:
            os.close(file)
        children[pid] = files[3]
        asking.send(b"%d" % pid)
        reap()  # it may have ended before it was known


def _call(asked: dict) -> NoReturn:
    def called() -> int | None:
        module, _, name = asked["function"].partition(":")
        os.chdir(asked["cwd"])
        return getattr(importlib.import_module(module), name)(*asked["args"])

    call_alone(called, asked["env"])


def call_alone(called: Callable[[], int | None], env: dict[str, str]) -> NoReturn:
    """Call a function in this forked process, whose standard streams are right, and end it."""
    os.closerange(3, 1024)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))  # noqa: SIM115
    code = 1
    try:
        code = called() or 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        if "MS_ROLE" in env:
            atexit._run_exitfuncs()  # MindSpore's tells the other processes
        os._exit(code)


def _forget_pytest() -> None:
    """Undo what pytest has put into the place of Python's own."""
    faulthandler.disable()
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    # What `slimsr.imaging.pillow` has said when it was imported.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    threading.excepthook, sys.unraisablehook = threading.__excepthook__, sys.__unraisablehook__


def _script(name: str, argv: Sequence[str]) -> NoReturn:
    from slimsr.commands import cli

    tempfile.tempdir = None
    sys.argv = [f"{name}.py", *argv]
    cli.run(importlib.import_module(f"slimsr.commands.{name}").main)
