"""The page: template, style and script put together with what is shown."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slimsr.errors import printable
from slimsr.files.strict_json import to_json
from slimsr.files.writing import write_text

_PARTS = Path(__file__).with_name("page")
_SCRIPTS = (
    "basics",
    "metrics",
    "table",
    "axes",
    "curves",
    "scatter",
    "layers",
    "gestures",
    "viewer",
    "main",
)

Section = Mapping[str, Any]


@dataclass
class Page:
    """What a report shows; everything is data, nothing of it is taken for HTML.

    Attributes:
        title: one line.
        about: what is said of the whole, name -> text: machine, versions, command.
        notes: what a reader must know, as what was left out.
        pictures: see `slimsr.report.album.Album.section`; None for none.
        tables: each ``title``, ``columns`` (``label``, ``numeric``) and ``rows`` of cells, a cell
            being the text that is shown and the value that it is sorted by.
        trade: quality against cost: ``quality`` (label of the axis), ``points`` (``label``, ``set``
            and numbers by the names of ``costs``), ``costs`` (``key``, ``label``).
        runs: see `slimsr.report.curves.run_section`.
        renewed: seconds after which a page that is made again is loaded again; None for never.
    """

    title: str
    about: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    pictures: Section | None = None
    tables: Sequence[Section] = ()
    trade: Section | None = None
    runs: Sequence[Section] = ()
    renewed: float | None = None


def page_html(page: Page) -> str:
    """Return the whole file as text.

    The policy allows the one script and the one style of ours by their hashes, pictures from the
    file itself, and nothing else; a name that were taken for HTML after all could do nothing.
    """
    style = (_PARTS / "report.css").read_text(encoding="utf-8")
    parts = [(_PARTS / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"
    policy = (
        f"default-src 'none'; img-src data:; script-src {_hash(script)}; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    values = {
        "policy": policy,
        "title": html.escape(printable(page.title)),
        "style": style,
        "script": script,
        "data": _embedded({key: value for key, value in vars(page).items() if value is not None}),
    }
    text = (_PARTS / "report.html").read_text(encoding="utf-8")
    head, *rest = text.split("{{")
    for part in rest:  # in one pass: what is filled in is not searched
        name, _, after = part.partition("}}")
        head += values[name] + after
    return head


def write_page(path: str | os.PathLike[str], page: Page) -> None:
    """Write the page whole or not at all; OutputError as `slimsr.files.writing.replacing`."""
    write_text(path, page_html(page))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(value: Mapping[str, Any]) -> str:
    """Return JSON that may stand between script tags: without ``<`` none can begin or end there."""
    return to_json(_printable(value), separators=(",", ":")).replace("<", "\\u003c")


def _printable(value: Any) -> Any:
    """Escape what is not seen or turns the direction of text; configurations keep their lines."""
    if isinstance(value, str):
        return "\n".join(map(printable, value.split("\n"))) if len(value) < 100_000 else value
    if isinstance(value, Mapping):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    return value
