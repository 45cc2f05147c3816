"""The engine for .om models compiles against CANN's own headers, as torch-npu ships them."""

from __future__ import annotations

import pytest

from tests.lite.conftest import build_target, ran, unpack

pytestmark = pytest.mark.lite
WHEEL = "torch-npu==2.14.0"


def test_the_acl_engine_with_canns_headers(repo, tmp_path):
    """So does the stand-in for its library, which defines the functions that they declare."""
    wheel, build = tmp_path / "wheel", tmp_path / "build"
    tag = ("--python-version", "3.10", "--platform", "manylinux_2_28_x86_64")
    unpack(WHEEL, wheel, *tag)
    headers = wheel / "torch_npu/include/third_party/acl/inc"
    build_target(repo, build, "acl_tests", f"-DACL_HEADERS={headers}", "-DBUILD_TESTS=ON")
    assert "[  PASSED  ]" in ran(build / "acl_tests").stdout
