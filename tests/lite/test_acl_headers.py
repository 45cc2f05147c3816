"""The engine for .om models compiles against CANN's own headers, as torch-npu ships them."""

from __future__ import annotations

import os

import pytest

from tests.lite.conftest import ran, unpack

pytestmark = pytest.mark.lite
WHEEL = "torch-npu==2.14.0"


def test_the_acl_engine_with_canns_headers(repo, tmp_path):
    """So does the stand-in for its library, which defines the functions that they declare."""
    wheel, build = tmp_path / "wheel", tmp_path / "build"
    tag = ("--python-version", "3.10", "--platform", "manylinux_2_28_x86_64")
    unpack(WHEEL, wheel, *tag)
    ran(
        "cmake",
        "-S",
        repo / "ascend310_infer",
        "-B",
        build,
        f"-DACL_HEADERS={wheel / 'torch_npu/include/third_party/acl/inc'}",
        "-DCMAKE_DISABLE_FIND_PACKAGE_OpenVINO=ON",
        "-DBUILD_TESTS=ON",
        "-DWERROR=ON",
    )
    ran("cmake", "--build", build, "--parallel", os.cpu_count(), "--target", "acl_tests")
    assert "[  PASSED  ]" in ran(build / "acl_tests").stdout
