#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Score a checkpoint on one or more folders of pictures.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_eval.sh CKPT DATA [DATA ...] [eval.py options]
  e.g. bash scripts/run_eval.sh runs/csd/best.ckpt benchmark/Set5 --widths 1.0 0.25 --json set5.json'
usage_unless 2 "$@"

ckpt=$1
shift
need_file CKPT "$ckpt"
data=()
while (($#)) && [[ $1 != -* ]]; do
  need_folder DATA "$1"
  data+=("$1")
  shift
done
((${#data[@]})) || fail "no DATA after CKPT: give at least one folder of pictures"

exec "$python" "$root/eval.py" --ckpt "$ckpt" --data "${data[@]}" "$@"
