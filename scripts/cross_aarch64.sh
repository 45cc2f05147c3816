#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the C++ harness for aarch64 on an x86_64 Debian, and runs its tests under qemu.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1:-} == -h || ${1:-} == --help || $# -gt 1 ]]; then
  cat <<EOF
Usage: bash scripts/cross_aarch64.sh [FOLDER]
Builds ascend310_infer for aarch64 below FOLDER (default: ascend310_infer/out/aarch64) and runs its unit
tests and those of the engines for Lite and AscendCL under qemu; FOLDER/sysroot keeps Debian's arm64 libraries, 500 MB.
Environment:
  MINDSPORE_LITE_HOME  MindSpore Lite for aarch64: FOLDER/lite/main is built with it
  LITE_HEADERS         folder with include/api/model.h (default: the MindSpore package of .venv)
FOLDER/run PROGRAM ... runs a program of these under qemu.
EOF
  [[ $# -le 1 ]] && exit 0 || exit 2
fi
folder=${1:-ascend310_infer/out/aarch64}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
source scripts/packages.sh
install_packages "error: the build for aarch64" cmake make g++-aarch64-linux-gnu qemu-user-static

# apt with an architecture and a state of its own: arm64 packages beside the system's would replace
# some of it.
apt=$folder/apt
export SYSROOT=$folder/sysroot
if [[ ! -f $SYSROOT/whole ]]; then
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$SYSROOT"
  : >"$apt/status"
  cat >"$apt/apt.conf" <<EOF
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
EOF
  compiler=$(aarch64-linux-gnu-g++ -dumpversion | cut -d. -f1)
  libraries=("libstdc++-$compiler-dev" "libgcc-$compiler-dev" libc6-dev)
  for package in "${HARNESS[@]}"; do
    [[ $package == lib* || $package == nlohmann* ]] && libraries+=("$package")
  done
  echo "downloading arm64 libraries, once" >&2
  APT_CONFIG=$apt/apt.conf apt-get update >"$apt/log"
  APT_CONFIG=$apt/apt.conf apt-get install -y --download-only "${libraries[@]}" >>"$apt/log" ||
    { tail -n 3 "$apt/log" >&2; exit 2; }
  # As on a merged system, before anything lands in /lib.
  mkdir -p "$SYSROOT/usr/lib"
  ln -sfn usr/lib "$SYSROOT/lib"
  for package in "$apt"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$SYSROOT" --keep-directory-symlink
  done
  # Links to absolute paths would lead into this machine.
  find "$SYSROOT" -type l -lname '/*' | while read -r link; do
    ln -sfn "$SYSROOT$(readlink "$link")" "$link"
  done
  # What update-alternatives would have made.
  for name in blas lapack; do
    ln -sfn "$name/lib$name.so.3" "$SYSROOT/usr/lib/aarch64-linux-gnu/lib$name.so.3"
  done
  touch "$SYSROOT/whole"
  rm -r "$apt"
fi

LITE_HEADERS=${LITE_HEADERS:-$(.venv/bin/python -c \
  'import importlib.util as u; print(u.find_spec("mindspore").submodule_search_locations[0])')}
build() { # NAME TARGET OPTION...
  local out=$folder/$1
  cmake -S ascend310_infer -B "$out" -DCMAKE_TOOLCHAIN_FILE="$PWD/ascend310_infer/aarch64.cmake" \
    -DBUILD_TESTS=ON -DWERROR=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenVINO=ON "${@:3}" >/dev/null
  # shellcheck disable=SC2086  # targets are words
  cmake --build "$out" -j "$(nproc)" --target $2 >/dev/null
}
tests="unit_tests acl_tests lite_tests"
build tests "$tests" -DLITE_HEADERS="$LITE_HEADERS" -DMINDSPORE_LITE_HOME=
library_path=$SYSROOT/usr/lib/aarch64-linux-gnu
if [[ -n ${MINDSPORE_LITE_HOME:-} ]]; then
  build lite main -DMINDSPORE_LITE_HOME="$MINDSPORE_LITE_HOME" \
    -DCMAKE_EXE_LINKER_FLAGS="-Wl,-rpath-link,$MINDSPORE_LITE_HOME/runtime/lib"
  library_path+=:$MINDSPORE_LITE_HOME/runtime/lib
fi
printf '#!/bin/sh\nexec qemu-aarch64-static -L "%s" -E LD_LIBRARY_PATH="%s" "$@"\n' "$SYSROOT" \
  "$library_path" >"$folder/run"
chmod +x "$folder/run"
for name in $tests; do
  "$folder/run" "$folder/tests/$name" --gtest_brief=1
done
