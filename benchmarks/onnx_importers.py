"""Which programs read our ONNX files: every network, every opset.

    python benchmarks/onnx_importers.py --python PYTHON [--python PYTHON]

Each PYTHON belongs to an environment with onnxruntime, opencv-python-headless or both (of any
version). Exports each network in small, of fixed size as importers of fixed size want it, in the
opsets 11 to 18, lets each importer run a picture of noise, and compares with MindSpore. Writes
docs/results/onnx_importers.md (--output).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mindspore as ms  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402

from slimsr.exported.onnx_graph import NEWEST_OPSET, OPSET, to_onnx  # noqa: E402
from slimsr.files.writing import write_text  # noqa: E402
from tests.networks import SMALL, one_scale, small  # noqa: E402

SHAPE = (1, 3, 17, 22)
# Needs NumPy and one importer; prints for each file the largest relative difference or the error.
IMPORTER = """
import json, sys
import numpy as np

name, folder, *files = sys.argv[1:]
x = np.load(folder + "/input.npy")

def onnxruntime_run(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"lr": x})[0]

def opencv_run(path):
    import cv2
    net = cv2.dnn.readNetFromONNX(path)
    net.setInput(x, "lr")
    return net.forward()

if name == "onnxruntime":
    import onnxruntime as library
else:
    import cv2 as library
run = {"onnxruntime": onnxruntime_run, "opencv": opencv_run}[name]
found = {}
for file in files:
    expected = np.load(folder + "/" + file.rsplit("_", 1)[0] + ".npy")
    try:
        result = run(folder + "/" + file)
        found[file] = float(np.abs(result - expected).max() / np.abs(expected).max())
    except Exception as error:
        found[file] = " ".join(str(error).split())[-200:]
print(json.dumps([library.__version__, found]))
"""


def write_models(folder: Path) -> list[str]:
    """Write every network in every opset, its input and MindSpore's result; return the names."""
    x = np.random.default_rng(0).uniform(0, 255, SHAPE).astype(np.float32)
    np.save(folder / "input.npy", x)
    names = []
    for form in SMALL:
        net = small(form, one_scale(form))
        np.save(folder / f"{form}.npy", net(ms.Tensor(x)).asnumpy())
        for opset in range(OPSET, NEWEST_OPSET + 1):
            names.append(f"{form}_{opset}.onnx")
            onnx.save(to_onnx(net, SHAPE, opset), folder / names[-1])
    return names


def import_all(python: str, library: str, folder: Path, names: list[str]) -> tuple[str, dict]:
    """Return the importer's version and what became of each file; no version: not installed."""
    command = [python, "-c", IMPORTER, library, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    return tuple(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else ("", {})


def table(columns: dict[str, dict], names: list[str]) -> str:
    """Return Markdown: a row for each network, its worst opset."""
    lines = [
        "# Who reads our ONNX files",
        "",
        "`python benchmarks/onnx_importers.py --python PYTHON`: every network in small, input "
        f"{SHAPE[0]}x{SHAPE[1]}x{SHAPE[2]}x{SHAPE[3]},",
        f"opsets {OPSET} to {NEWEST_OPSET}. The largest difference from MindSpore over all opsets, "
        "relative to the largest",
        "value; or how many of the opsets are refused, and why.",
        "",
        "| network | " + " | ".join(columns) + " |",
        "| --- | " + "--- | " * len(columns),
    ]
    for form in SMALL:
        cells = []
        for found in columns.values():
            results = [found[name] for name in names if name.rsplit("_", 1)[0] == form]
            refused = [result for result in results if isinstance(result, str)]
            worst = max((r for r in results if not isinstance(r, str)), default=None)
            text = "" if worst is None else f"{worst:.1e}"
            if refused:
                text += f" {len(refused)} of {len(results)} refused: {refused[0]}"
            cells.append(text.replace("|", "/").strip())
        lines.append(f"| {form} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Export, import, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", required=True)
    parser.add_argument("--output", default=ROOT / "docs" / "results" / "onnx_importers.md")
    args = parser.parse_args()
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        names = write_models(Path(folder))
        for python in args.python:
            for library in ("onnxruntime", "opencv"):
                version, found = import_all(python, library, Path(folder), names)
                if version:
                    columns[f"{library} {version}"] = found
    text = table(columns, names)
    write_text(args.output, text)
    print(text)


if __name__ == "__main__":
    main()
