"""The process in which cases run: takes them from stdin, one a line, and answers on stdout.

A crash or a hang ends the process; the one that started it knows which case it had given.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import traceback
from pathlib import Path

from slimsr.commands import cli  # noqa: F401  # it sets what MindSpore reads when it is imported
from tests.fuzz.case import Case
from tests.fuzz.kinds import KINDS
from tests.fuzz.world import World

_MEMORY = 16 * 2**30  # a forged size must end this process and not the machine


def main() -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything else prints is no answer

    def answer(**values: object) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    import mindspore  # noqa: F401  # before everything else, else onnx crashes it

    answer(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        os.chdir(folder)
        temporary = Path(asked["temporary"])
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
        harness = asked["harness"] and Path(asked["harness"])
        case = Case(
            asked["kind"],
            asked["seed"],
            asked["number"],
            folder,
            World(Path(asked["world"]), harness),
            asked["apart"],
            lambda what: answer(step=what),
        )
        try:
            KINDS[asked["kind"]](case)
        except Exception:
            case.fault(f"the fuzzer itself: {traceback.format_exc()}")
        left = sorted(path.name for path in temporary.iterdir())
        if left:
            case.fault(f"left in the folder for temporary files: {left}")
        answer(faults=case.faults, about=case.about, commands=case.commands)


if __name__ == "__main__":
    main()
