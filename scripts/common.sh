# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; to be sourced.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
if [[ ! -x $python ]]; then
  python=$(command -v python3) || { echo "error: no python3 found: install it" >&2; exit 2; }
fi
export PYTHONPATH=$root/src  # where nothing is installed

# A mistake of the user: one line, exit code 2.
fail() {
  echo "error: $*" >&2
  exit 2
}

# shellcheck disable=SC2154  # every script sets usage
# usage_unless COUNT "$@": show $usage if help is asked for or fewer than COUNT arguments are given.
usage_unless() {
  local needed=$1 argument
  shift
  for argument in "$@"; do
    if [[ $argument == -h || $argument == --help ]]; then
      echo "$usage"
      exit 0
    fi
  done
  if (($# < needed)); then
    echo "$usage" >&2
    exit 2
  fi
}

need_file() {
  [[ -f $2 ]] || fail "$1 = $2 is not a file: give the path of an existing one"
}

need_folder() {
  [[ -d $2 ]] || fail "$1 = $2 is not a folder: give the path of an existing one"
}
