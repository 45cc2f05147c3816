"""The table of networks that `train.py --list` prints and docs/networks.md shows."""

from __future__ import annotations

import pytest

from slimsr.commands import train as train_script
from slimsr.models import list_models, list_presets, resolve
from slimsr.models import table as networks


@pytest.fixture(scope="module")
def table(repo) -> str:
    """The table as the page shows it, which another test holds to what is made now."""
    text = (repo / "docs" / "networks.md").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if line.startswith("| "))


def test_every_network_and_preset_has_a_line(table):
    names = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert names == sorted(names) and set(names) >= set(list_presets())
    assert {resolve(name, {})[0] for name in names} == set(list_models())
    carn_m = next(line for line in table.splitlines() if line.startswith("| carn_m "))
    assert carn_m == (
        "| carn_m | carn: groups 4, recursive True | x2, x3, x4 | RGB | 294,147 | 32.5 G | n/16 |"
    )


def test_it_is_what_list_prints(monkeypatch, capsys):
    monkeypatch.setattr(networks, "network_table", lambda: "the table\n")
    assert train_script.main(["--list"]) == 0
    assert capsys.readouterr().out == "the table\n"
