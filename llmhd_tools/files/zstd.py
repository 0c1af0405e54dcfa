"""Unpacking zstd frame by frame, with every damage told."""

from __future__ import annotations

import io
from typing import IO, Any


class WideWindow(Exception):
    """A zstd frame whose window is larger than 128 MiB, zstandard's own bound."""


class Zstd(io.RawIOBase):
    """The unpacked bytes of zstd frames. Damage is an ``EOFError``, like gzip's; so is a frame that is cut off, which
    zstandard's own reader takes for the end of the file."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        import zstandard

        while not self._ready:
            packed = self._packed or self._raw.read(1024)  # little at a time: a bomb unpacks to some MB, not to all
            if not packed and self._frame is None:
                return 0
            if not packed:
                raise EOFError("a frame is cut off")
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                self._ready = memoryview(self._frame.decompress(packed))
            except zstandard.ZstdError as error:
                if "too much memory" in str(error):
                    raise WideWindow from None
                raise EOFError(str(error)) from None
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
