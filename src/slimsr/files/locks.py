"""One process at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator

from slimsr.errors import OutputError

logger = logging.getLogger(__name__)

_FILE = ".slimsr.lock"


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str], instead: str) -> Iterator[None]:
    """Hold a folder; the system lets go of it when this process ends, however it ends.

    Args:
        folder: that exists. Where the file system locks files only (NFS), a small file stays in it.
        instead: what to do where it is held already, for the message.

    Raises:
        OutputError: another process holds it.
    """
    descriptor = None
    try:
        for path, flags in (
            (folder, os.O_RDONLY | os.O_DIRECTORY),
            (os.path.join(folder, _FILE), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW),
        ):
            try:
                descriptor = os.open(path, flags, 0o666)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                raise OutputError(
                    f"{folder} is in use by another process: wait for it to end, or {instead}"
                ) from error
            except OSError as error:
                refused = error
                if descriptor is not None:
                    os.close(descriptor)
                    descriptor = None
        else:
            logger.warning(
                "%s cannot be locked (%s): do not start two runs in it", folder, refused.strerror
            )
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
