"""Configuration: defaults < YAML < overrides, strict keys and types, and its round trip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from slimsr.commands import train as train_script
from slimsr.config import build_config, load_config
from slimsr.engine.comparison import read_comparison
from slimsr.errors import ConfigError, RegistryError
from slimsr.files.strict_yaml import read_yaml
from slimsr.methods import list_methods
from slimsr.options import build_options
from slimsr.settings import TrainConfig

FOLDER = Path(__file__).resolve().parents[1] / "configs"
COMPARISONS = sorted(FOLDER.glob("compare_*.yaml"))
CONFIGS = sorted({*FOLDER.glob("*.yaml")} - {*COMPARISONS})


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "some.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_later_sources_win(written):
    path = written("train: {batch: 8, lr: 0.5}\nmodel: {scale: 2}\n")
    config = load_config(path, ["train.lr=0.25", "train.seed=7", "train.seed=8"])
    assert config.train.steps == TrainConfig().steps  # a default
    assert config.train.batch == 8  # from the file
    assert config.train.lr == 0.25  # the command line over the file
    assert config.train.seed == 8  # the last of two
    assert config.model["scale"] == 2 and config.model["n_feats"] == 64


def test_defaults_alone_are_the_paper():
    config = load_config()
    assert config.model["name"] == "edsr" and config.method["name"] == "csd"
    assert config.method["contrast_weight"] == 200 and config.method["n_negatives"] == 10
    assert config.train.batch == 16 and config.train.lr == 1e-4 and config.data.patch == 192


@pytest.mark.parametrize("text", ["1e-4", "'1e-4'", '"1e-4"', "1.0e-4", "1E-4", ".1e-3", "0.0001"])
def test_numbers_with_exponents(written, text):
    assert load_config(written(f"train: {{lr: {text}}}")).train.lr == 1e-4
    assert load_config(overrides=[f"train.lr={text}"]).train.lr == 1e-4


def test_integers_and_lists_from_the_command_line():
    config = load_config(
        overrides=["method.widths=[0.25, 5e-1]", "train.steps=100", "train.betas=[0.5, 0.9]"]
    )
    assert config.method["widths"] == [0.25, 0.5]
    assert config.train.steps == 100 and config.train.betas == (0.5, 0.9)


@pytest.mark.parametrize(
    ("section", "key", "nearest"),
    [
        ("model", "n_feat", "n_feats"),
        ("method", "n_negative", "n_negatives"),
        ("data", "pach", "patch"),
        ("train", "step", "steps"),
        ("run", "device", "device_id"),
    ],
)
def test_unknown_keys_give_the_nearest_name(written, section, key, nearest):
    expected = rf"unknown key {section}\.{key}: did you mean '{nearest}'\? known: "
    with pytest.raises(ConfigError, match=expected):
        load_config(overrides=[f"{section}.{key}=1"])
    with pytest.raises(ConfigError, match=expected):
        load_config(written(f"{section}: {{{key}: 1}}"))


def test_unknown_sections_and_names():
    with pytest.raises(ConfigError, match="unknown section 'trian': did you mean 'train'"):
        build_config({"trian": {}})
    with pytest.raises(RegistryError, match="there is no model 'edrs': did you mean 'edsr'"):
        load_config(overrides=["model.name=edrs"])
    with pytest.raises(RegistryError, match=r"there is no method 3: known: .*csd"):
        load_config(overrides=["method.name=3"])


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("train.lr=fast", "train.lr"),
        ("train.lr=0", "train.lr"),
        ("train.lr=-1e-4", "train.lr"),
        ("train.steps=1.5", "train.steps"),
        ("train.steps=0", "train.steps"),
        ("train.batch=[1]", "train.batch"),
        ("train.amp=O1", "train.amp"),
        ("train.betas=[0.9]", "train.betas"),
        ("train.seed=", "train.seed"),
        ("data.augment=maybe", "data.augment"),
        ("data.layout=div3k", "data.layout"),
        ("run.device_target=TPU", "run.device_target"),
        ("model.n_feats=0", "model.n_feats"),
        ("method.positive=both", "method.positive"),
        ("method.n_negatives=-1", "method.n_negatives"),
        ("method.widths=[wide]", "method.widths.0"),
    ],
)
def test_wrong_values_are_named(override, name):
    with pytest.raises(ConfigError, match=rf"^{name}.* is not valid: ") as caught:
        load_config(overrides=[override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["train.lr", "lr=1", "train.=1", "=1", "", "train"])
def test_overrides_of_another_form(override):
    with pytest.raises(ConfigError, match=r"is not an override: expected section\.key=value"):
        load_config(overrides=[override])


@pytest.mark.parametrize(
    "text",
    [
        "train: {lr: 1, lr: 2}",
        "train: {lr: 1}\ntrain: {lr: 2}",
        "train:\n  lr: 1\n  steps: 3\n  lr: 1\n",
    ],
)
def test_keys_that_stand_twice(written, text):
    with pytest.raises(ConfigError, match="stands twice"):
        load_config(written(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [", "is not valid YAML"),
        ("a: b: c", "is not valid YAML"),
        ("? [1]\n: 2", "is not valid YAML"),  # a list as a key
        ("? {a: 1}\n: 2", "is not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("", "holds no configuration"),
        ("- 1\n- 2", "holds no configuration"),
        ("train", "holds no configuration"),
        ("train: 3", "train = 3 is not valid"),
        ("3: {a: 1}", "unknown section 3"),
        ("train: {3: 4}", r"unknown key train\.3"),
    ],
)
def test_files_that_are_no_configuration(written, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(written(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["train: 3", "train:"])
def test_an_override_below_what_is_no_section(written, text):
    with pytest.raises(ConfigError, match=r"train = .* is not valid"):
        load_config(written(text), ["train.lr=1"])


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.yaml"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(tmp_path)  # a folder
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(binary)


def test_round_trip_through_yaml_is_the_identity(written):
    config = load_config(
        overrides=[
            "train.lr=1e-7",
            "train.eps=1e-12",
            "method.widths=[0.25, 0.5, 0.75]",
            "data.train='Büro: #1'",
            "run.dir='1e-4'",
            "data.valid='no'",
        ]
    )
    again = load_config(written(config.to_yaml()))
    assert again == config and again.to_yaml() == config.to_yaml()
    assert again.train.lr == 1e-7 and again.data.train == "Büro: #1"
    assert again.run.dir == "1e-4" and again.data.valid == "no"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configurations_that_come_with_the_project(path, written):
    config = load_config(path)
    assert set(read_yaml(path)) <= {"model", "method", "data", "train", "run"}
    assert load_config(written(config.to_yaml())) == config
    assert config.data.patch % config.model["scale"] == 0


def test_the_comparisons_that_come_with_the_project():
    found = [read_comparison(path, {}, ["benchmark"]) for path in COMPARISONS]
    compared = {run["method"]["name"] for each in found for run in each.runs.values()}
    assert compared == set(list_methods())


def test_folders_of_training_pictures(written):
    config = load_config(overrides=["data.train=[{folder: a, weight: 3}, {folder: b}]"])
    assert [(f.folder, f.weight) for f in config.data.train_folders] == [("a", 3), ("b", 1)]
    assert load_config(written(config.to_yaml())) == build_config(config.to_dict()) == config
    one, none = (load_config(overrides=[f"data.train={name}"]) for name in ("a", "''"))
    assert [(f.folder, f.weight) for f in one.data.train_folders] == [("a", 1)]
    assert none.data.train_folders == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", r"data\.train = 3 is not valid: give a folder, or a list of \{folder: FOLDER, weig"),
        ("[a]", r"data\.train = \['a'\] is not valid"),
        ("[]", r"data\.train = \[\] is not valid"),
        ("{folder: a}", r"data\.train = \{'folder': 'a'\} is not valid"),
        ("[{weight: 2}]", r"data\.train\.0\.folder = '' is not valid"),
        ("[{folder: a}, {folder: a, weight: 0.5}]", r"data\.train\.1\.weight = 0\.5 is not valid"),
        ("[{folder: a, weight: 0}]", r"data\.train\.0\.weight = 0 is not valid"),
        ("[{folder: a, wight: 2}]", r"unknown key data\.train\.0\.wight: did you mean 'weight'"),
    ],
)
def test_folders_that_are_none(value, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=[f"data.train={value}"])


def test_there_are_configurations():
    assert CONFIGS and COMPARISONS


def test_build_options_checks_without_a_configuration():
    assert build_options(TrainConfig, {"lr": "1e-4", "steps": "10"}, "train").lr == 1e-4
    with pytest.raises(ConfigError, match=r"unknown key here\.lrr: did you mean 'lr'"):
        build_options(TrainConfig, {"lrr": 1}, "here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: &t {stages: {a: *t}}", "an alias of what contains it"),
        ("train: {steps: 0x" + "f" * 9999 + "}", "is too large"),
        ("train: {steps: " + "9" * 400 + "}", "is too large"),
        ("train: {steps: " + "1:" * 400 + "1}", "is too large"),
        ("train: {lr: 1e999}", "train.lr = inf"),
        ("train: {steps: !!int ''}", "not of the type of its tag"),
        ("train: {steps: !!bool abc}", "not of the type of its tag"),
        ("run: {dir: !!binary aGVsbG8=}", "tag:yaml.org,2002:binary"),
        ("run: !!set {a, b}", "tag:yaml.org,2002:set"),
        ("run: {dir: 2026-11-26}", "a date; write it in quotes"),
        ("train: {lr: 1, lr: 2}", "key 'lr' stands twice"),
        ("[" * 20_000, "more than 32 levels"),
        ("\n".join(" " * i + "a:" for i in range(99)), "more than 32 levels"),
        ("a: [" + "1, " * 6000 + "]", "more than 5000 values"),
        ("#" * 300_000, "larger than 200000 bytes"),
        ("x" * 9999, "holds no configuration"),
        ('run: {dir: "\\uDCC3"}', "run.dir = "),
        ("train: {lr: " + "x" * 9999 + "}", "train.lr = 'xxx"),
    ],
    ids=lambda value: value[:20],
)
def test_yaml_that_would_do_harm(written, text, words):
    with pytest.raises(ConfigError) as caught:
        load_config(written(text))
    assert words in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_aliases_and_merged_mappings_of_a_size_that_people_write(written):
    text = "train:\n  stages:\n    a: &a {lr: 1e-4}\n    b: {<<: *a, steps: 4}\n    c: *a\n"
    stages = load_config(written(text)).train.stages
    assert stages == {"a": {"lr": 1e-4}, "b": {"lr": 1e-4, "steps": 4}, "c": {"lr": 1e-4}}


def test_the_hostile_cases(shared):
    paths = sorted((shared / "cases" / "hostile").glob("yaml_*.yaml"))
    assert len(paths) >= 4
    for path in paths:
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(path) in str(caught.value) and str(caught.value).isprintable()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ConfigError, match="it is no regular file"):
            load_config(path)


@pytest.mark.parametrize("name", [b"b\xc3\xa4ume", b"\xff: [", b'a"\\\xff\n'])
def test_paths_that_are_no_text_in_this_locale(name, capsys):
    path = os.fsdecode(name)
    if path.isprintable():  # as Python reads it where LC_ALL says ASCII
        path = name.decode("ascii", "surrogateescape")
    assert load_config(overrides=[f"data.train={path}"]).data.train == path
    assert train_script.main(["--data_path", path, "--show_config"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["data"]["train"] == path
