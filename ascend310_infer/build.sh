#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds out/main with the engines that are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage='Usage: bash build.sh [cmake options, e.g. -DBUILD_TESTS=ON]
  Environment, at least one of:
  MINDSPORE_LITE_HOME  an unpacked MindSpore Lite, for MINDIR models on Ascend and CPU
  OpenVINO_DIR         folder of OpenVINOConfig.cmake, for ONNX models on CPU
  ASCEND_HOME_PATH     of CANN (its set_env.sh sets it), for .om models on Ascend; nothing of it is
                       needed to build, only to run
  Without the first two, the OpenVINO of ../.venv or of python3 is taken.'
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  echo "$usage"
  exit 0
fi

# Where a Python package openvino keeps its CMake files.
wheel_cmake() {
  local python
  for python in ../.venv/bin/python python3; do
    "$python" -c '
import importlib.util, pathlib
folder = pathlib.Path(importlib.util.find_spec("openvino").origin).parent / "cmake"
assert folder.is_dir()
print(folder)' 2>/dev/null && return
  done
  return 1
}

if [[ -n ${MINDSPORE_LITE_HOME:-} &&
  ! -f $MINDSPORE_LITE_HOME/runtime/lib/libmindspore-lite.so ]]; then
  echo "error: MINDSPORE_LITE_HOME=$MINDSPORE_LITE_HOME has no runtime/lib/libmindspore-lite.so," \
    "expected an unpacked MindSpore Lite; give its folder or unset it" >&2
  exit 2
fi
if [[ -n ${OpenVINO_DIR:-} && ! -f $OpenVINO_DIR/OpenVINOConfig.cmake ]]; then
  echo "error: OpenVINO_DIR=$OpenVINO_DIR has no OpenVINOConfig.cmake, expected OpenVINO's cmake" \
    "folder; give it or unset it" >&2
  exit 2
fi
if [[ -z ${MINDSPORE_LITE_HOME:-}${OpenVINO_DIR:-} ]]; then
  if ! OpenVINO_DIR=$(wheel_cmake) && [[ -z ${ASCEND_HOME_PATH:-} ]]; then
    echo "error: no inference engine found, expected MindSpore Lite, OpenVINO or CANN; set" \
      "MINDSPORE_LITE_HOME, or OpenVINO_DIR, or pip install openvino, or source set_env.sh" >&2
    exit 2
  fi
fi

# An engine that is no longer asked for must not come back from the cache.
cmake -S . -B out -DMINDSPORE_LITE_HOME="${MINDSPORE_LITE_HOME:-}" \
  -DOpenVINO_DIR="${OpenVINO_DIR:-OpenVINO_DIR-NOTFOUND}" "$@"
cmake --build out -j "$(nproc)" --target main
