#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Train on several devices, of one machine or of several, by data parallelism under msrun.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='Usage: bash scripts/run_distribute_train.sh N CONFIG [options] [train.py options]
  N                processes on this machine, one per device; train.batch is shared by all of them
  --log_dir DIR    for worker_RANK.log, scheduler.log and msrun_NODE.log; default: logs in the run folder
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
nnodes=1 node_rank='' master_addr='' master_port='' log_dir=''
options=()
while (($#)); do
  name=${1%%=*}
  case $name in
    --nnodes | --node_rank | --master_addr | --master_port | --log_dir)
      if [[ $1 == *=* ]]; then
        value=${1#*=}
      elif (($# > 1)); then
        value=$2
        shift
      else
        fail "$name needs a value; run with --help for the arguments"
      fi
      printf -v "${name#--}" %s "$value"
      ;;
    *) options+=("$1") ;;
  esac
  shift
done
[[ $nnodes =~ ^[1-9][0-9]*$ ]] || fail "--nnodes = $nnodes is not a number of machines: give 1 or more"
if ((nnodes > 1)); then
  [[ -n $master_addr ]] || fail "--nnodes $nnodes needs --master_addr: give the address of machine 0"
  if ! [[ $node_rank =~ ^[0-9]+$ && $node_rank -lt $nnodes ]]; then
    fail "--nnodes $nnodes needs --node_rank: give 0 to $((nnodes - 1)), another on each machine"
  fi
else
  [[ ${node_rank:-0} == 0 ]] || fail "--node_rank $node_rank needs --nnodes: give the number of machines"
  node_rank=0
fi
master_addr=${master_addr:-127.0.0.1}

# A wrong address or port would show itself as ten minutes of waiting; find it now. Prints the port.
if ((nnodes > 1)); then
  master_port=${master_port:-8118}
fi
[[ -z $master_port || ($master_port =~ ^[0-9]+$ && $master_port -ge 1024 && $master_port -le 65535) ]] ||
  fail "--master_port = $master_port is not a port: give a number from 1024 to 65535"
master_port=$("$python" - "$master_addr" "${master_port:-0}" "$node_rank" <<'PYTHON'
import socket, sys

address, port, node = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    ip = socket.gethostbyname(address)
except OSError as error:
    sys.exit(f"error: --master_addr = {address} is unknown ({error.strerror}): give an IPv4 address")
try:
    listener.bind((ip, port if node == 0 else 0))
    local, reason = True, ""
except OSError as error:
    local, reason = False, error.strerror
if node == 0 and not local:
    sys.exit(
        f"error: machine 0 cannot listen on {address}:{port} ({reason}): --master_addr must be an "
        "address of machine 0, --master_port a free port there"
    )
if node > 0 and local:
    sys.exit(
        f"error: --master_addr = {address} is an address of this machine, which is machine {node}: "
        "give that of machine 0; one address cannot serve two machines"
    )
print(listener.getsockname()[1] if node == 0 else port)
PYTHON
) || exit 2

# This finds mistakes in the configuration before any process is started, and where the run is kept.
command=("$root/train.py" --config "$config" ${options[@]+"${options[@]}"})
settings=$("$python" "${command[@]}" --show_config) || exit $?
if [[ -z $log_dir ]]; then
  log_dir=$("$python" -c 'import sys, yaml; print(yaml.safe_load(sys.stdin)["run"]["dir"])' <<<"$settings")/logs
fi
mkdir -p "$log_dir" 2>/dev/null || fail "cannot make the folder $log_dir: give another --log_dir"
msrun_log=$log_dir/msrun_$node_rank.log
first_log=$log_dir/worker_$((node_rank * processes)).log
logs=()
for ((i = 0; i < processes; i++)); do
  logs+=("$log_dir/worker_$((node_rank * processes + i)).log")
done
: >"$msrun_log"
for log in "${logs[@]}"; do # those of an earlier job would be taken for this one's
  : >"$log"
done

# msrun starts `python3` of PATH. A session of its own keeps Ctrl-C away from it: msrun would kill
# the workers, which must save first.
PATH=$(dirname "$python"):$PATH
command -v msrun >/dev/null || fail "no msrun beside $python: install MindSpore (requirements.txt)"
# Its own log, of errors only, tells which worker ended: no setting may hide them.
GLOG_v=3 setsid msrun --worker_num="$((processes * nnodes))" --local_worker_num="$processes" \
  --node_rank="$node_rank" --master_addr="$master_addr" --master_port="$master_port" \
  --log_dir="$log_dir" --join=True --tail_worker_log=1000000 \
  python3 "${command[@]}" </dev/null >"$msrun_log" 2>&1 &
job=$!
# Not msrun's own view of the log, which is killed before it has shown the last lines.
tail -n +1 -s 0.2 -f --pid="$job" "$first_log" | grep --line-buffered -v '^\[INFO\]' >&2 &
view=$!

# children ROLE: process ids of msrun's children in this role, MS_WORKER or MS_SCHED.
children() {
  local pid pids=()
  read -ra pids 2>/dev/null <"/proc/$job/task/$job/children" || true
  for pid in ${pids[@]+"${pids[@]}"}; do
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "MS_ROLE=$1"; then
      echo "$pid"
    fi
  done
}

stops=0
# shellcheck disable=SC2317,SC2329  # the trap calls it
stop() {
  stops=$((stops + 1))
  local signal=TERM pid pids
  if ((stops > 1)); then # a worker that waits for a dead one does not see a signal
    signal=KILL
  fi
  pids=$(children MS_WORKER)
  for pid in ${pids:-"$job"}; do # msrun itself where it has not started any
    kill -s "$signal" "$pid" 2>/dev/null || true
  done
}
trap stop INT TERM HUP

# When a worker has died, msrun kills the others, and waits half a minute for the scheduler to miss
# them. On one machine nobody else needs the scheduler.
while kill -0 "$job" 2>/dev/null; do
  sleep 1 &
  wait $! || true # a signal ends the wait, not the sleep: the trap runs at once
  if ((nnodes == 1)) && grep -q 'Worker process .* exit with exception' "$msrun_log"; then
    for pid in $(children MS_SCHED); do
      kill -s KILL "$pid" 2>/dev/null || true
    done
  fi
done
code=0
wait "$job" || code=$?
wait "$view" || true
if ((code == 0)); then
  exit 0
fi

# msrun ends with 1 in any case; its log names the worker that ended first, and with which code.
read -r pid status < <(
  sed -n 's/.*Worker process \([0-9]*\) exit with exception. Error code: \(-\{0,1\}[0-9]*\).*/\1 \2/p' "$msrun_log"
  echo '0 unknown'
) || true
if [[ $status == unknown ]]; then
  echo "error: msrun failed; the end of $msrun_log:" >&2
  tail -n 20 "$msrun_log" >&2
  exit 1
fi
log=$(grep -lE "rank [0-9]+ of .*, process $pid\$" "${logs[@]}" | head -n 1) || true
log=${log:-$first_log}
if [[ $status == 2 ]]; then
  mistake=$(grep '^error: ' "$log" || tail -n 1 "$log")
  if ! grep -qxF -- "$mistake" "$first_log"; then # else it has been shown
    echo "$mistake" >&2
  fi
  exit 2
fi
if ((stops == 0)); then
  echo "error: process $pid ended with code $status; the end of $log:" >&2
  tail -n 20 "$log" >&2
fi
exit 1
