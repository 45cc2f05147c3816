"""What Huawei's converters calibrate int8 with: inputs as .bin, and their configuration.

None of it was run: neither `converter_lite` nor `amct_onnx` could be installed where this was
written. They read the network in float32, exported with a fixed size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slimsr.deploy.quantise import Pairs
from slimsr.files.writing import make_folder, write_text, writing

FOLDER = "calibration"
SIDE = 128  # pixels of each input
_MOST = 16  # inputs

_CONVERTER_LITE = """\
# For MindSpore Lite's converter; NOT RUN here. A float32 model of a fixed input first:
#   python export.py --ckpt C --file_format MINDIR --size {side}x{side} --output float
#   converter_lite --fmk=MINDIR --modelFile=float/MODEL.mindir --outputFile=MODEL_int8 \\
#     --optimize=ascend_oriented --configFile=converter_lite.cfg
# calibrate_path is relative to where that is called: here, beside this file.
[common_quant_param]
quant_type=FULL_QUANT
bit_num=8
[data_preprocess_param]
calibrate_path=lr:nhwc
calibrate_size={count}
input_type=BIN
[full_quant_param]
activation_quant_method=MAX_MIN
bias_correction=true
target_device=ASCEND
"""
_AMCT = """\
# For CANN's AMCT; NOT RUN here. To be called in this folder, with a float32 model of a fixed input:
#   python export.py --ckpt C --file_format ONNX --size {side}x{side} --output float
amct_onnx calibration --model float/MODEL.onnx --save_path int8/MODEL \\
  --input_shape "lr:1,3,{side},{side}" --data_dir nchw --data_types float32 --batch_num {count} \\
  --calibration_config amct.cfg
"""
_AMCT_CONFIG = """\
# NOT RUN here. skip_layers takes names of convolutions that are to stay in float, such as the first
# and the last.
activation_offset : true
batch_num : {count}
"""


def write_calibration(folder: Path, pairs: Pairs) -> Path:
    """Write ``calibration/`` below a folder; return it.

    ``nhwc/`` and ``nchw/`` hold the same LR pixels, RGB in [0, 255], float32, 128x128 each.

    Args:
        folder: of the exported models.
        pairs: from `Quantiser.pairs`.

    Raises:
        OutputError: no permission, no space.
    """
    target = make_folder(folder / FOLDER)
    inputs = [_square(lr).astype(np.float32)[None] for lr, _ in pairs[:_MOST]]
    for layout, axes in (("nhwc", (0, 1, 2, 3)), ("nchw", (0, 3, 1, 2))):
        place = make_folder(target / layout)
        for number, lr in enumerate(inputs):
            with writing(place / f"{number:03}.bin") as file:
                file.write(lr.transpose(axes).tobytes())
    texts = {"converter_lite.cfg": _CONVERTER_LITE, "amct.sh": _AMCT, "amct.cfg": _AMCT_CONFIG}
    for name, text in texts.items():
        write_text(target / name, text.format(side=SIDE, count=len(inputs)))
    return target


def _square(lr: np.ndarray) -> np.ndarray:
    """Return the first pixels of a picture, its border repeated where it is smaller."""
    lr = lr[:SIDE, :SIDE]
    missing = [(0, SIDE - side) for side in lr.shape[:2]]
    return np.pad(lr, (*missing, (0, 0)), mode="edge")
