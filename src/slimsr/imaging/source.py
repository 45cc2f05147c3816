"""The file of a picture, held open while it is read."""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO

import pyvips

from slimsr.imaging.formats import FORMATS, HEAD, format_of
from slimsr.imaging.jpeg_end import JpegData
from slimsr.imaging.messages import cannot_read

# PNG, TIFF and HEIF are read as they are decoded. libvips would map the others into memory, and a
# mapped file that somebody cuts short ends the process: they are read whole.
LARGEST_WHOLE = 2**30
"""Bytes that a file, or the pixels of a picture that is decoded whole, may take."""


class PictureFile:
    """A file that is a picture by its first bytes.

    Attributes:
        path: of the file.
        format: see `format_of`.
        size: its bytes.
        head: its first bytes.
        file: opened for reading bytes.
        data: all of the file; empty for PNG, TIFF and HEIF.
        whole: whether that is so, and not only the header.
        jpeg: the data of a JPEG.
    """

    def __init__(self, path: str | os.PathLike[str], header: bool = False) -> None:
        """Open a file.

        Args:
            path: of the file.
            header: only what surely holds the header is read of JPEG, BMP, TGA and PNM.

        Raises:
            ImageError: no such file, or none of the formats that are read.
        """
        self.path = path
        try:
            # Opening a pipe would wait for its other end.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise cannot_read(
                path, "there is no such file", "give the path of a picture file"
            ) from error
        except OSError as error:
            raise cannot_read(
                path, error.strerror or "unknown", "give a file that can be read"
            ) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                what = "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a file"
                raise cannot_read(path, what, "give the path of a picture file")
            self.file = os.fdopen(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            self._look(header, status)
        except BaseException:
            self.close()
            raise

    def _look(self, header: bool, status: os.stat_result) -> None:
        self._status, self.size = _state(status), status.st_size
        self.head = self._at(0, HEAD)
        kind = format_of(self.path, self.head, self._at(max(0, self.size - HEAD), HEAD))
        if kind is None:
            what = "not a known picture format" if self.size else "the file is empty"
            raise cannot_read(self.path, what)
        self.format, self.data, self.whole = kind, b"", False
        if FORMATS[self.format].loaded:
            if self.size > LARGEST_WHOLE:
                what = f"a {self.format.upper()} of more than 1 GiB"
                raise cannot_read(self.path, what, "save it as TIFF or PNG")
            self.whole = not header or self.format in ("webp", "gif")
            self.data = self._at(0, self.size if self.whole else 2**18)
            self.check_unchanged()
        self.jpeg = JpegData(self.data) if self.format == "jpeg" else None

    def _at(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)

    def source(self) -> pyvips.Source:
        """Return the file for libvips; one at a time, and this object must outlive it."""
        if self.jpeg:
            return self.jpeg.source()
        if self.data:
            return pyvips.Source.new_from_memory(self.data)
        self.file.seek(0)
        return pyvips.Source.new_from_descriptor(self.file.fileno())

    def reader(self) -> BinaryIO:
        """Return the file for Python, at its beginning."""
        self.file.seek(0)
        return io.BytesIO(self.data) if self.data else self.file

    def check_unchanged(self) -> None:
        """Raise ImageError where the file was written since it was opened.

        What replaced it by its name does not count: the old file is read on.
        """
        if _state(os.fstat(self.file.fileno())) != self._status:
            raise cannot_read(self.path, "it changed while it was read", "read it again")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
