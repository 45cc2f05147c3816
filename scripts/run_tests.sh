#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Folders of tests that need no graph, no training and no harness.
QUICK=(tests/commands tests/data tests/files tests/imaging tests/metrics)

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  cat <<EOF
Lint and tests: bash scripts/run_tests.sh [--mindspore VERSION] [--quick] [pytest arguments, e.g. -k imresize]

--mindspore VERSION, which comes first: the tests with another version of MindSpore, such as 2.10.0, in
an environment of its own, .venv-mindspore-VERSION.
--quick, which comes next: lint and the tests of what needs no graph, training or C++ build, in less
than two minutes: ${QUICK[*]}
Tests that compare with reference data are skipped where it is not there; those marked slow, and those
marked lite, which download MindSpore Lite and run the harness with it, run where they are asked for:
-m slow, -m lite.
EOF
  exit
fi
if [[ ${1:-} == --mindspore ]]; then
  if [[ -z ${2:-} ]]; then
    echo "error: --mindspore needs a version: give one, such as 2.10.0" >&2
    exit 2
  fi
  export SLIMSR_MINDSPORE=$2
  shift 2
fi
selected=()
if [[ ${1:-} == --quick ]]; then
  shift
  selected=("${QUICK[@]}" -k "not memory_does_not_grow")
fi

source scripts/venv.sh
if ((! ${#selected[@]})); then
  source scripts/packages.sh
  install_packages "error: the C++ harness" "${HARNESS[@]}"
  # Without a browser its tests are skipped and say so.
  install_packages "warning: the tests of the report" "${BROWSER[@]}" || true
fi
# Types are those of the version that is tested at every commit.
[[ -n ${SLIMSR_MINDSPORE:-} ]] || bash scripts/lint.sh
# Slow tests and Lite only where they are asked for; a later -m on the command line wins over this one.
# Two processes, each with whole files, in the order of tests/conftest.py: most tests compile graphs on one
# core. They share the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "$PYTHON" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not lite" \
  "${selected[@]}" "$@"
