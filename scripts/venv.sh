#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with what the project needs, once; sourced by quickstart.sh and run_tests.sh.
# Afterwards $PYTHON is its interpreter. Works on Debian and Ubuntu with Python 3.10, 3.11 or 3.12, of
# which $SLIMSR_PYTHON may name one. Where uv is there it makes the environment, and brings a Python
# where the system has no fitting one.

PYTHON="$PWD/.venv/bin/python"

# Prints the fitting Python, or nothing.
find_python() {
  local name
  for name in ${SLIMSR_PYTHON:-} python3.12 python3.11 python3.10 python3 python; do
    if "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
      2>/dev/null; then
      echo "$name"
      return
    fi
  done
}

no_python() {
  local found
  found=$(python3 -c 'import sys; print("only Python %d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    found="no Python"
  echo "error: $found was found, but MindSpore has packages for 3.10, 3.11 and 3.12: install one" \
    "(Debian, Ubuntu: apt-get install python3.12 python3.12-venv, or python3.11 python3.11-venv)," \
    "or uv, which brings it, and run this again" >&2
  exit 2
}

make_venv() {
  local wanted base log
  wanted=$(cat requirements*.txt | sha256sum)
  if [[ -x "$PYTHON" && -f .venv/installed && "$(cat .venv/installed)" == "$wanted" ]]; then
    return
  fi
  base=$(find_python)
  [[ -n "$base" ]] || command -v uv >/dev/null || no_python
  log=$(mktemp)
  echo "installing into .venv with ${base:-what uv brings}, once: this takes a few minutes" >&2
  if command -v uv >/dev/null && uv venv --clear --seed --python "${base:-3.11}" .venv \
    >"$log" 2>&1; then
    :
  elif [[ -z "$base" ]]; then
    tail -n 5 "$log" >&2
    no_python
  elif ! "$base" -m venv .venv >"$log" 2>&1; then
    # Debian and Ubuntu keep venv in a package of its own, named after the version.
    local package
    package="$("$base" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
      { apt-get update && apt-get install -y "$package"; } >>"$log" 2>&1 || true
    fi
    if ! "$base" -m venv --clear .venv >>"$log" 2>&1; then
      tail -n 5 "$log" >&2
      echo "error: cannot make a virtual environment: apt-get install $package, and run this again" >&2
      exit 2
    fi
  fi
  if ! "$PYTHON" -m pip install -q --disable-pip-version-check -r requirements-dev.txt \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: cannot install requirements-dev.txt into .venv: see above" >&2
    exit 1
  fi
  echo "$wanted" >.venv/installed
  rm -f "$log"
}

make_venv
