"""The comparison command: a tiny one from end to end, going on after an interruption, mistakes."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from slimsr.commands import cli
from slimsr.commands.compare import main
from slimsr.engine import comparison
from slimsr.errors import ConfigError
from slimsr.imaging import imread
from tests import forks
from tests.system.tiny import put_pictures

pytestmark = pytest.mark.system

TINY = {
    "seeds": [1, 2],
    "base": {
        "model": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1},
        "data": {"patch": 16, "cache_dir": "memory"},
        "train": {"steps": 2, "batch": 2, "lr": 1e-3, "schedule": "constant", "log_every": 1},
        "run": {"mode": "pynative"},
    },
    "runs": {
        "teacher": {"model": {"n_feats": 8}, "method": {"name": "supervised"}},
        "the slice": {
            "model": {"n_feats": 8},
            "method": {
                "name": "csd",
                "widths": [0.5],
                "n_negatives": 1,
                "taps": ["relu1_1"],
                "tap_weights": [1.0],
                "teacher": "run:teacher",
            },
        },
    },
}


@pytest.fixture
def folder(tmp_path):
    put_pictures(tmp_path / "pictures", 2)
    return tmp_path


def arguments(folder, config=TINY, *more):
    (folder / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    pictures = str(folder / "pictures")
    return [
        "--config",
        str(folder / "c.yaml"),
        "--data_path",
        pictures,
        "--valid_path",
        pictures,
        "--vgg",
        "random",
        "--test_path",
        pictures,
        "--output",
        str(folder / "out"),
        *more,
    ]


def test_from_end_to_end_and_again(folder, monkeypatch, capsys):
    ways = iter([comparison._train])  # the first run is started as it is, the others are forked

    def fork(config):
        (folder / "asked.yaml").write_text(config.to_yaml())
        done = forks.run("train.py", "--config", "asked.yaml", "--resume", cwd=folder)
        assert done.returncode == 0, done.stderr

    monkeypatch.setattr(comparison, "_train", lambda config: next(ways, fork)(config))
    assert main(arguments(folder)) == 0
    report = json.loads((folder / "out" / "comparison.json").read_text())
    assert report["scale"] == 2 and list(report["runs"]) == ["teacher", "the slice"]
    assert report["bicubic"]["pictures"]["psnr"] > 10
    for name, parameters in (("teacher", 4531), ("the slice", 1259)):
        run = report["runs"][name]
        assert run["seeds"] == [1, 2] and run["parameters"] == parameters
        assert run["milliseconds"] > 0 and run["minutes"] > 0
        score = run["sets"]["pictures"]["psnr"]
        found = [
            json.loads((folder / "out" / name / f"seed{seed}" / "result.json").read_text())
            for seed in (1, 2)
        ]
        values = [result["sets"]["pictures"]["network"]["psnr"] for result in found]
        assert score["mean"] == pytest.approx(sum(values) / 2)
        assert score["spread"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
        assert found[0]["width"] == (1.0 if name == "teacher" else 0.5)
    teacher = found[1]["asked"]["config"]["method"]["teacher"]
    assert teacher == str(folder / "out" / "teacher" / "seed2" / "best.ckpt")
    table = (folder / "out" / "comparison.md").read_text()
    assert capsys.readouterr().out == table and "| the slice | 1,259 |" in table
    assert imread(folder / "out" / "comparison.png").shape[2] == 3

    monkeypatch.setattr(comparison, "_train", lambda config: pytest.fail("was done before"))
    before = (folder / "out" / "comparison.json").read_text()
    assert main(arguments(folder)) == 0
    assert (folder / "out" / "comparison.json").read_text() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runs": {}}, "comparison.runs = {} is not valid"),
        ({"run": {}}, "unknown key comparison.run: "),
        ({"seeds": [1, 1]}, "seeds [1, 1] are not valid: give each once"),
        ({"runs": {"a/b": {}}}, "run 'a/b' is not valid"),
        ({"runs": {"a": {"model": {"n_feat": 3}}}}, "run a: unknown key model.n_feat"),
        ({"runs": {"a": {"method": {"name": "cds"}}}}, "run a: there is no method 'cds'"),
        (
            {"runs": {"a": {"method": {"name": "fakd", "teacher": "run:b"}}}},
            "run a starts from run:b, none before it",
        ),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(folder, change, words):
    with pytest.raises(ConfigError) as caught:
        main(arguments(folder, {**TINY, **change}))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (folder / "out").exists()


def test_some_runs_alone_bring_what_they_start_from(folder):
    given = {"data.train": str(folder / "pictures")}
    path = folder / "c.yaml"
    arguments(folder)
    one = comparison.read_comparison(path, given, ["x"], only=["teacher"])
    both = comparison.read_comparison(path, given, ["x"], only=["the slice"])
    assert list(one.runs) == ["teacher"] and list(both.runs) == ["teacher", "the slice"]
    with pytest.raises(ConfigError, match=r"there is no run 'slice': .*the slice"):
        comparison.read_comparison(path, given, ["x"], only=["slice"])
    with pytest.raises(ConfigError, match="no test sets are given"):
        comparison.read_comparison(path, given)


def test_a_run_that_fails_is_named(folder, monkeypatch, capfd):
    config = {**TINY, "seeds": [1], "runs": {"large": {"data": {"patch": 64}}}}
    config["runs"]["large"]["method"] = {"name": "supervised"}
    monkeypatch.setattr(sys, "argv", ["slimsr compare", *arguments(folder, config)])
    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    assert ended.value.code == 2
    *_, training, last = capfd.readouterr().err.splitlines()  # the first by a process of its own
    assert training.startswith("error: ") and "smaller than the patch 64" in training
    assert last.startswith("error: training ") and "what is wrong stands above" in last
