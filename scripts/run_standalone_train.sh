#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Train on one device, in the foreground.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_standalone_train.sh CONFIG [--log_dir DIR] [train.py options]
  --log_dir DIR   also keep what is shown in DIR/train.log
  The environment variable DEVICE_ID, or the option --device_id, chooses the device.
  e.g. bash scripts/run_standalone_train.sh configs/quickstart.yaml --data_path DIV2K --resume'
usage_unless 1 "$@"

config=$1
shift
need_file CONFIG "$config"
log_dir=
options=()
while (($#)); do
  case $1 in
    --log_dir=*) log_dir=${1#*=} ;;
    --log_dir)
      (($# > 1)) || fail "--log_dir needs a value: give a folder"
      log_dir=$2
      shift
      ;;
    *) options+=("$1") ;;
  esac
  shift
done

command=("$python" "$root/train.py" --config "$config")
if [[ -n ${DEVICE_ID:-} ]]; then
  command+=(--device_id "$DEVICE_ID")
fi
command+=(${options[@]+"${options[@]}"})
if [[ -z $log_dir ]]; then
  exec "${command[@]}"
fi
mkdir -p "$log_dir" 2>/dev/null || fail "cannot make the folder $log_dir: give another --log_dir"
# exec, so that signals reach train.py itself; tee must outlive a Ctrl-C to show how training ends.
exec "${command[@]}" 2> >(exec tee -i "$log_dir/train.log" >&2)
