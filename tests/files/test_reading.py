"""Files that others may have made: never waited for, bounded, and strict JSON."""

from __future__ import annotations

import os

import pytest

from slimsr.files.reading import parse_json, read_bytes, read_json


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}')
    # However much it may have, no memory for that is asked for.
    assert read_bytes(tmp_path / "a", most=2**70)[3:4] == b"{"
    assert read_json(tmp_path / "a") == {"a": [1, 2.5, None]}  # without the byte order mark


def test_what_is_no_file_or_too_large(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("loop", tmp_path / "loop")
    (tmp_path / "large").write_bytes(bytes(101))
    for name, words in {
        "pipe": "it is no regular file",
        "/dev/zero": "it is no regular file",
        ".": "Is a directory",
        "none": "No such file",
        "loop": "Too many levels",
        "large": "it is larger than 100 bytes",
        "nu\0ll": "null byte",
        "n" * 300: "File name too long",
    }.items():
        with pytest.raises(OSError) as caught:
            read_bytes(tmp_path / name, most=100)
        assert words in caught.value.strerror
    assert len(read_bytes(tmp_path / "large", most=101)) == 101


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 99,
        "9" * 9999,
        '{"a": 1, "a": 2}',
        "[" * 99_999,
        "[" * 40 + "]" * 40,
        '{"a":' * 40 + "1" + "}" * 40,
        "1 2",
        "\0",
        "{'a': 1}",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_strict_json(text):
    with pytest.raises(ValueError) as caught:
        parse_json(text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200
