#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Folders of tests that need no graph, no training and no harness.
QUICK=(tests/commands tests/data tests/files tests/imaging tests/metrics)

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  cat <<EOF
Lint and tests: bash scripts/run_tests.sh [--quick] [pytest arguments, e.g. -k imresize or -m slow]

--quick, which comes first: lint and the tests of what needs no graph, training or C++ build, in less
than two minutes: ${QUICK[*]}
Tests that compare with reference data are skipped where it is not there; those marked slow, and those
marked lite, which download MindSpore Lite and run the harness with it, run where they are asked for:
-m slow, -m lite.
EOF
  exit
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
bash scripts/lint.sh
# Slow tests and Lite only where they are asked for; a later -m on the command line wins over this one.
# Two processes, each with whole files, in the order of tests/conftest.py: most tests compile graphs on one
# core. They share the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "$PYTHON" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not lite" \
  "${selected[@]}" "$@"
