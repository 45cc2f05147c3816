#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Train on several devices, of one machine or of several, by data parallelism.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_distribute_train.sh N CONFIG [options] [train.py options]
  N                processes on this machine, one per device; train.batch is shared by all of them
  --log_dir DIR    for worker_RANK.log and scheduler.log; default: logs in the run folder
  Several machines, each with N processes, run the same command but for --node_rank:
  --nnodes K       number of machines
  --node_rank R    which of them this is, from 0
  --master_addr A  address of machine 0
  --master_port P  free port there; default: any on one machine, 8118 on several
  e.g. bash scripts/run_distribute_train.sh 8 configs/quickstart.yaml --data_path DIV2K --device_target Ascend'
usage_unless 2 "$@"

processes=$1
config=$2
shift 2
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "N = $processes is not a number of processes: give 1 or more"
need_file CONFIG "$config"
exec "$python" "$root/train.py" --processes "$processes" --config "$config" "$@"
