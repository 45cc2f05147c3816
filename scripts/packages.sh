# SPDX-License-Identifier: Apache-2.0
# What the C++ harness and its tests are built with; sourced by run_tests.sh.
# shellcheck shell=bash

PACKAGES=(cmake g++ make libopencv-imgcodecs-dev libopencv-imgproc-dev libgtest-dev
  nlohmann-json3-dev)

# Installs the Debian or Ubuntu packages that are missing, once, if it may.
install_packages() {
  local missing=() package log
  for package in "${PACKAGES[@]}"; do
    if [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]]; then
      missing+=("$package")
    fi
  done
  ((${#missing[@]})) || return 0
  local as_root=()
  [[ $(id -u) -eq 0 ]] || as_root=(sudo -n)
  echo "installing ${missing[*]}, once" >&2
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update && DEBIAN_FRONTEND=noninteractive \
    "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "error: the C++ harness needs packages that could not be installed: as root, apt-get" \
      "install ${missing[*]}, and run this again" >&2
    exit 2
  fi
  rm -f "$log"
}
