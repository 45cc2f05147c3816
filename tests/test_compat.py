"""What is taken from MindSpore beyond its documentation."""

from __future__ import annotations

import logging
import os

import pytest

from slimsr.compat import mindspore_muted


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["parent", "own"])
def test_mindspore_is_muted_in_a_process_that_was_forked_too(pid):
    """Its logger is named after the process that logged first, perhaps the parent."""
    logger = logging.getLogger(f"ME.mindspore.log.{pid}")
    before = logger.disabled
    with mindspore_muted():
        assert logger.disabled
    assert logger.disabled == before
