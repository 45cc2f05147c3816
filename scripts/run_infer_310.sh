#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the C++ harness, enlarge pictures with it, score them where HR pictures are given.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_infer_310.sh MINDIR DATA_DIR SCALE [DEVICE_ID] [harness options]
  MINDIR     model of export.py with its manifest.json beside it, or a folder of several widths
  DATA_DIR   a set as eval.py takes it (LR and HR folders), or a folder of LR pictures alone
  SCALE      enlargement of the model
  DEVICE_ID  which NPU, from 0 (default 0), or several: 0,1
  Environment: ENGINE=lite (default; needs MINDSPORE_LITE_HOME), ENGINE=acl for an .om of ATC (needs
  CANN), or ENGINE=openvino, which runs the .onnx file beside the MINDIR on the CPU; OUTPUT=folder for
  pictures and logs (default infer_310)
  e.g. ENGINE=openvino bash scripts/run_infer_310.sh out/edsr_x4_w0.25.mindir Set5 4 0 --tile 128'
usage_unless 3 "$@"

model=$1 data=$2 scale=$3
shift 3
device_id=0
if (($#)) && [[ $1 != -* ]]; then
  device_id=$1
  shift
fi
need_folder DATA_DIR "$data"
[[ $scale =~ ^[2-9]$ ]] || fail "SCALE = $scale is not valid: give the enlargement, from 2 to 9"
[[ $device_id =~ ^[0-9]+(,[0-9]+)*$ ]] ||
  fail "DEVICE_ID = $device_id is not valid: give 0 or more, or several as 0,1"
engine=${ENGINE:-lite} output=${OUTPUT:-infer_310}
case $engine in
  lite)
    [[ -n ${MINDSPORE_LITE_HOME:-} ]] || fail "MINDSPORE_LITE_HOME is not set: give the folder of" \
      "an unpacked MindSpore Lite, or ENGINE=openvino for a CPU" ;;
  acl)
    [[ -n ${ASCEND_HOME_PATH:-} ]] || fail "ASCEND_HOME_PATH is not set: source set_env.sh of CANN" ;;
  openvino)
    model=${model/%.mindir/.onnx} ;;
  *) fail "ENGINE = $engine is not valid: give lite, acl or openvino" ;;
esac
[[ -e $model ]] || fail "the model $model does not exist: give a file or folder of" \
  "export.py --file_format ALL"

# The folder of LR pictures as eval.py finds them; without HR the folder itself.
lr=$("$python" "$root/scripts/lr_folder.py" --data "$data" --scale "$scale")
lr=${lr:-$data}

compile_app() {
  bash "$root/ascend310_infer/build.sh" >"$output/build.log" 2>&1 || {
    tail -n 5 "$output/build.log" >&2
    fail "the harness cannot be built: see $output/build.log"
  }
}

infer() {
  "$root/ascend310_infer/out/main" --model "$model" --input "$lr" --output "$output/pictures" \
    --engine "$engine" --device_id "$device_id" --report "$output/report.json" "$@" \
    2>&1 | tee "$output/infer.log"
}

postprocess() {
  if [[ $lr == "$data" ]]; then
    echo "no HR pictures in $data: nothing to score"
    return
  fi
  : >"$output/eval.log"
  # shellcheck disable=SC2094  # both append
  "$python" "$root/eval.py" --data "$data" --scale "$scale" --sr "$output/pictures" \
    --json "$output/scores.json" 2>>"$output/eval.log" | tee -a "$output/eval.log" || {
    tail -n 1 "$output/eval.log" >&2
    exit 2
  }
}

mkdir -p "$output" || fail "OUTPUT = $output cannot be made: give a folder that can be written"
compile_app
infer "$@"
postprocess
