#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with what the project needs, once; sourced by quickstart.sh and run_tests.sh.
# Afterwards $PYTHON is its interpreter. Works on Debian and Ubuntu with Python 3.10, 3.11 or 3.12, of
# which $SLIMSR_PYTHON may name one. Where uv is there it makes the environment, and brings a Python
# where the system has no fitting one; there pip of a Python that does not fit may bring uv itself.
# $SLIMSR_MINDSPORE, a version, has an environment of its own.

VENV=.venv${SLIMSR_MINDSPORE:+-mindspore-$SLIMSR_MINDSPORE}
PYTHON="$PWD/$VENV/bin/python"

# Prints which versions are taken where the requirements allow several.
constraints() {
  if [[ -n ${SLIMSR_MINDSPORE:-} ]]; then
    echo "mindspore==$SLIMSR_MINDSPORE"
  else
    cat constraints.txt
  fi
}

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
    "(Debian 12, Ubuntu 22.04 and 24.04: apt-get install python3 python3-venv; Debian 13, Fedora and" \
    "others without one: install uv, which brings it, by your system or by pip of a python3 that has" \
    "venv: apt-get install python3-venv), and run this again" >&2
  exit 2
}

# Sets $uv to the program where it is there or pip can bring it.
find_uv() {
  uv=$(command -v uv) && return
  [[ -z "$base" ]] && command -v python3 >/dev/null || return 0
  if { [[ -x .venv-uv/bin/uv ]] || { python3 -m venv .venv-uv &&
    .venv-uv/bin/python -m pip install -q --disable-pip-version-check uv; }; } >>"$log" 2>&1; then
    uv=$PWD/.venv-uv/bin/uv
  else
    tail -n 3 "$log" >&2
  fi
}

make_venv() {
  local wanted base log uv=""
  wanted=$({ cat requirements*.txt && constraints; } | sha256sum)
  if [[ -x "$PYTHON" && -f $VENV/installed && "$(cat "$VENV/installed")" == "$wanted" ]]; then
    return
  fi
  base=$(find_python)
  log=$(mktemp)
  find_uv
  [[ -n "$base$uv" ]] || no_python
  echo "installing into $VENV with ${base:-what uv brings}, once: this takes a few minutes" >&2
  if [[ -n "$uv" ]] && "$uv" venv --clear --seed --python "${base:-3.11}" "$VENV" >"$log" 2>&1; then
    :
  elif [[ -z "$base" ]]; then
    tail -n 5 "$log" >&2
    no_python
  elif ! "$base" -m venv "$VENV" >"$log" 2>&1; then
    # Debian and Ubuntu keep venv in a package of its own, named after the version.
    local package
    package="$("$base" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
      { apt-get update && apt-get install -y "$package"; } >>"$log" 2>&1 || true
    fi
    if ! "$base" -m venv --clear "$VENV" >>"$log" 2>&1; then
      tail -n 5 "$log" >&2
      echo "error: cannot make a virtual environment: apt-get install $package, and run this again" >&2
      exit 2
    fi
  fi
  if ! "$PYTHON" -m pip install -q --disable-pip-version-check -r requirements-dev.txt \
    -c <(constraints) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: cannot install requirements-dev.txt into $VENV: see above" >&2
    exit 1
  fi
  # Its packages for aarch64 want a newer glibc than openEuler 20.03 has.
  if ! "$PYTHON" -m pip install -q --disable-pip-version-check -r requirements-openvino.txt \
    -c <(constraints) >"$log" 2>&1; then
    echo "warning: no OpenVINO for this system ($(tail -n 1 "$log")): upscale.py and eval.py run by" \
      "MindSpore, tests that need it are skipped" >&2
  fi
  echo "$wanted" >"$VENV/installed"
  rm -f "$log"
}

make_venv
