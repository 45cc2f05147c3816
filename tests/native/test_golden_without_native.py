"""The reference numbers with MindSpore's own convolution; all other tests have the native one."""

from __future__ import annotations

import os
import re
import subprocess
import sys


def test_reference_numbers_by_mindspores_own_kernel(repo, shared):
    folders = [f"tests/{name}" for name in ("layers", "losses", "methods", "models")]
    command = [sys.executable, "-m", "pytest", "-m", "golden and not slow", *folders]
    done = subprocess.run(
        command, cwd=repo, capture_output=True, text=True, timeout=600,
        env={**os.environ, "SLIMSR_NATIVE": "0", "SLIMSR_SHARED": str(shared)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 40
