# SPDX-License-Identifier: Apache-2.0
# Packages of Debian or Ubuntu; sourced by quickstart.sh and run_tests.sh.
# shellcheck shell=bash

# What the C++ harness and its tests are built with.
# shellcheck disable=SC2034  # used by who sources this file
HARNESS=(cmake g++ make libopencv-imgcodecs-dev libopencv-imgproc-dev libpng-dev libjpeg-dev
  libtiff-dev libgtest-dev nlohmann-json3-dev)

# What the tests of the report look at its page with.
# shellcheck disable=SC2034
BROWSER=(chromium chromium-driver)

# Installs those packages that are missing, once, if it may: install_packages WHO PACKAGE...
# WHO needs them begins the message if it may not.
install_packages() {
  local who=$1 missing=() package log as_root=()
  shift
  for package; do
    if [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]]; then
      missing+=("$package")
    fi
  done
  ((${#missing[@]})) || return 0
  log=$(mktemp)
  if [[ $(id -u) -ne 0 ]]; then
    as_root=("$(command -v sudo || echo false)" -n)
  fi
  [[ ${as_root[0]:-} == false ]] || echo "installing ${missing[*]}, once" >&2
  if ! { "${as_root[@]}" apt-get update && DEBIAN_FRONTEND=noninteractive \
    "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "$who needs packages that could not be installed: as root, apt-get install" \
      "${missing[*]}, and run this again" >&2
    rm -f "$log"
    return 2
  fi
  rm -f "$log"
}
