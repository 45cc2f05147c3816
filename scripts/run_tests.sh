#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lint and tests. Usage: bash scripts/run_tests.sh [pytest arguments, e.g. -k imresize or -m slow]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh
source scripts/packages.sh
install_packages "error: the C++ harness" "${HARNESS[@]}"

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
# Slow tests only where they are asked for; a later -m on the command line wins over this one. Two
# processes, each with whole files: most tests compile graphs on one core. They share the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "$PYTHON" -m pytest -n 2 --dist loadfile -m "not slow" "$@"
