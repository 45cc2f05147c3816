"""What lies in models/, whatever that is today: whole, small, described, and it enlarges."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import slimsr
from slimsr.exported.manifest import digest, read_manifest
from slimsr.inference.shipped import CARD, about, shipped_checkpoint
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import read_checkpoint

MODELS = Path(__file__).resolve().parents[2] / "models"
FOLDERS = sorted(path for path in MODELS.glob("*") if path.is_dir())
# No path of the machine that made them, and no settings of its folders.
_PATH = re.compile(rb"/(?:work|tmp|home|root|mnt|data)/")

each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_all_of_them_are_small():
    size = sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file())
    assert size < 12e6


@each
def test_files_are_those_of_the_manifest(folder):
    manifest = read_manifest(folder)
    assert folder.name.endswith(f"_x{manifest.scale}")
    checkpoint = folder / f"{folder.name}.ckpt"
    assert manifest.source["checkpoint"] == checkpoint.name
    expected = {model.file: model.sha256 for model in manifest.models}
    widths = [[m.width for m in manifest.of_format(form)] for form in ("ONNX", "MINDIR")]
    assert widths[0] == widths[1] and widths[0][0] == 1
    assert len(manifest.models) == 2 * len(widths[0])
    assert checkpoint.exists() == (len(widths[0]) == 1 and "tiny" in folder.name)
    if checkpoint.exists():
        expected[checkpoint.name] = manifest.source["sha256"]
    found = {path.name: digest(path) for path in folder.iterdir()}
    assert found.keys() == expected.keys() | {"manifest.json", CARD}
    assert {name: found[name] for name in expected} == expected


@each
def test_the_card_says_what_it_is_and_names_the_licences(folder):
    card = (folder / CARD).read_text(encoding="utf-8")
    assert card.startswith(f"# {folder.name}\n")
    assert 20 < len(about(folder)) < 200
    for section in ("Data and licences", "Recipe", "Figures", "Not good for"):
        assert f"\n## {section}\n" in card
    assert "Apache-2.0" in card  # the weights' own
    assert "TODO" not in card


@each
def test_nothing_names_a_folder_of_the_machine_that_made_it(folder):
    for path in folder.iterdir():
        assert not _PATH.search(path.read_bytes()), path


@each
def test_every_width_enlarges_and_both_runtimes_agree(folder):
    picture = np.random.default_rng(0).integers(0, 256, (24, 31, 3), np.uint8)
    manifest = read_manifest(folder)
    for model in manifest.of_format("ONNX"):
        results = [
            slimsr.open_model(folder, model.width, runtime=runtime).enlarge(picture).astype(int)
            for runtime in ("auto", "mindspore")
        ]
        assert results[0].shape == (24 * manifest.scale, 31 * manifest.scale, 3)
        assert np.abs(results[0] - results[1]).max() <= 1


@each
def test_all_weights_are_those_of_the_mindir(folder):
    found = read_checkpoint(shipped_checkpoint(folder.name)).weights
    (whole,) = [m for m in read_manifest(folder).of_format("MINDIR") if m.width == 1]
    expected = read_arrays(folder / whole.file)
    assert found.keys() == expected.keys()
    assert sum(array.size for array in expected.values()) == whole.parameters
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
