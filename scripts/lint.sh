#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that is checked without running it, with the tools of requirements-dev.txt:
#   bash scripts/lint.sh [--mend]
# --mend first formats Python and C++ and mends what ruff can mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh
tools=$(dirname "$PYTHON")

mapfile -t cpp < <(find src tests ascend310_infer/{src,inc,test,fuzz} -name '*.cc' -o -name '*.h')
shell=(scripts/*.sh ascend310_infer/*.sh)
if [[ ${1:-} == --mend ]]; then
  "$tools/ruff" check --fix --quiet . || true # what is left is said below
  "$tools/ruff" format --quiet .
  "$tools/clang-format" -i "${cpp[@]}"
fi
failed=0
"$tools/ruff" check . || failed=1
"$tools/ruff" format --check . || failed=1
"$tools/clang-format" --dry-run -Werror "${cpp[@]}" || failed=1
# There is no wheel of ShellCheck for aarch64; a package of the system does as well.
PATH="$tools:$PATH"
if command -v shellcheck >/dev/null; then
  shellcheck -x "${shell[@]}" || failed=1
else
  echo "shell scripts are not checked: apt-get install shellcheck" >&2
fi
"$tools/basedpyright" || failed=1
exit "$failed"
