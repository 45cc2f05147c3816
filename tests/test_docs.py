"""Pages that are made from the code are current, and what pages refer to exists."""

from __future__ import annotations

import re
import runpy
import sys

import pytest


def test_generated_pages_are_current(repo, monkeypatch):
    script = repo / "scripts" / "make_docs.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--check"])
    assert runpy.run_path(str(script))["main"]() == 0  # else it raises, with what is to do


PAGES = ["README.md", "README_CN.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "models"]


@pytest.fixture(scope="module")
def pages(repo):
    found = {}
    for name in PAGES:
        path = repo / name
        for page in path.rglob("*.md") if path.is_dir() else [path]:
            found[page] = page.read_text(encoding="utf-8")
    assert len(found) > 10
    return found


def test_links_between_pages_lead_somewhere(pages):
    missing = [
        f"{page.name}: {target}"
        for page, text in pages.items()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if not re.match(r"\w+:", target) and not (page.parent / target).exists()
    ]
    assert missing == []


def test_files_that_pages_name_exist(pages, repo):
    rooms = "src/slimsr|tests|scripts|benchmarks|configs|docs|ascend310_infer"
    named = re.compile(rf"(?<![\w/.])(?:{rooms})/[\w./-]*\w")
    missing = [
        f"{page.name}: {name}"
        for page, text in pages.items()
        if page.name != "contributing.md"  # which names files that somebody would make
        for name in named.findall(text)
        if "infer/out" not in name and not (repo / name).exists()
    ]
    assert missing == []
