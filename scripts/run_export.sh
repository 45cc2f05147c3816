#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Export widths of a checkpoint as plain networks.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_export.sh CKPT [export.py options]
  e.g. bash scripts/run_export.sh runs/csd/best.ckpt --width 0.25 --size 128x128 --output out'
usage_unless 1 "$@"

ckpt=$1
shift
need_file CKPT "$ckpt"

exec "$python" "$root/export.py" --ckpt "$ckpt" "$@"
