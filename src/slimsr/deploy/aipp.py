"""What makes a converted model take bytes: AIPP's configuration for Huawei's converters.

AIPP is a stage of the Ascend chip before the network: it takes (N, H, W, 3) uint8, RGB, so that a
quarter of the bytes goes to the device, and nothing is converted on the host. None of it was run:
neither converter could be installed where this was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slimsr.exported.manifest import ModelFile
from slimsr.files.writing import make_folder, write_text

FOLDER = "aipp"

_AIPP = """\
aipp_op {{
  aipp_mode: static
  input_format: RGB888_U8
  src_image_size_h: {height}
  src_image_size_w: {width}
  csc_switch: false
  rbuv_swap_switch: false
  min_chn_0: 0.0
  min_chn_1: 0.0
  min_chn_2: 0.0
  var_reci_chn_0: 1.0
  var_reci_chn_1: 1.0
  var_reci_chn_2: 1.0
}}
"""
_CONVERTER_LITE = """\
# For MindSpore Lite's converter; NOT RUN here. To be called in this folder, for each model:
#   converter_lite --fmk=ONNX --modelFile=../{first}.onnx --outputFile=../{first}_ascend \\
#     --optimize=ascend_oriented --configFile=converter_lite.cfg
#   slimsr register --model ../{first}.onnx --converted ../{first}_ascend.mindir --input uint8
[ascend_context]
input_format=NCHW
input_shape=lr:[{batch},3,{height},{width}]
insert_op_config_file_path=aipp.cfg
"""
_ATC = """\
# For CANN's ATC; NOT RUN here. To be called in this folder, with the chip: bash atc.sh Ascend310P3
set -e
for name in {names}; do
  atc --framework=5 --model="../$name.onnx" --output="../$name" --soc_version="$1" \\
    --input_format=NCHW --input_shape="lr:{batch},3,{height},{width}" --insert_op_conf=aipp.cfg
  slimsr register --model "../$name.onnx" --converted "../$name.om" --input uint8
done
"""


def write_aipp(
    folder: Path, models: Sequence[ModelFile], size: tuple[int, int], batch: int
) -> Path:
    """Write ``aipp/`` below a folder; return it.

    Args:
        folder: of the exported models.
        models: of which those in ONNX files are converted.
        size: LR height and width of the models.
        batch: pictures per run.

    Raises:
        OutputError: no permission, no space.
    """
    target = make_folder(folder / FOLDER)
    names = [Path(model.file).stem for model in models if model.format == "ONNX"]
    values = {"batch": batch, "height": size[0], "width": size[1]}
    values |= {"first": names[0], "names": " ".join(names)}
    texts = {"aipp.cfg": _AIPP, "converter_lite.cfg": _CONVERTER_LITE, "atc.sh": _ATC}
    for name, text in texts.items():
        write_text(target / name, text.format(**values))
    return target
