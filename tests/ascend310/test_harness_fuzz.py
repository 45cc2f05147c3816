# SPDX-License-Identifier: Apache-2.0
"""The fuzz targets over changed copies of good and bad files, a seed deciding the changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.ascend310.harness_bundle import repeat_model, write_bundle


def pictures(folder: Path) -> list[Path]:
    folder.mkdir()
    img = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 4), np.uint8))
    rgb = img.convert("RGB")
    exif = Image.Exif()
    exif[274] = 6
    img.save(folder / "rgba.png", exif=exif)
    rgb.quantize(9).save(folder / "palette.png", transparency=3)
    rgb.save(folder / "a.jpg", exif=exif)
    rgb.convert("L").save(folder / "progressive.jpg", progressive=True)
    img.save(folder / "a.webp", exif=exif)
    for codec in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        rgb.save(folder / f"{codec}.tif", compression=codec)
    rgb.convert("1").save(folder / "fax.tif", compression="group4")
    rgb.save(folder / "a.bmp")
    rgb.quantize(9).save(folder / "palette.bmp")
    return sorted(folder.iterdir())


def fuzz(harness_build, harness_environment, target: str, copies: int, files, seed: int = 0) -> int:
    done = subprocess.run(
        [harness_build / f"{target}_fuzz", str(copies), str(seed), *files],
        env=harness_environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    return int(done.stdout.split()[0])


@pytest.mark.parametrize("copies", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_pictures(copies, harness_build, harness_environment, shared, tmp_path):
    files = pictures(tmp_path / "pictures")
    files += sorted((shared / "cases" / "hostile").glob("*.[tj][ip][fg]"))
    assert fuzz(harness_build, harness_environment, "decode", copies, files) == len(files) * (
        copies + 1
    )


@pytest.mark.parametrize("copies", [300, pytest.param(20000, marks=pytest.mark.slow)])
def test_manifests(copies, harness_build, harness_environment, shared, tmp_path):
    bundle = write_bundle(tmp_path / "bundle", 2, {1.0: repeat_model(2), 0.5: repeat_model(2)})
    files = [bundle / "manifest.json"]
    assert fuzz(harness_build, harness_environment, "manifest", copies, files) == copies + 1
    deep = [shared / "cases" / "hostile" / "manifest_deep_scale.json"]
    assert fuzz(harness_build, harness_environment, "manifest", 5, deep) == 6


@pytest.mark.parametrize("copies", [2000, pytest.param(200000, marks=pytest.mark.slow)])
def test_command_lines(copies, harness_build, harness_environment, tmp_path):
    line = b"--model\0m\0--input=i\0--output\0o\0--tile\x0064\0--width=0.5\0--device_id\x003"
    (tmp_path / "line").write_bytes(line)
    files = [tmp_path / "line"]
    assert fuzz(harness_build, harness_environment, "args", copies, files) == copies + 1
