"""Named arrays in one NPZ: the same bytes for the same arrays, sealed with a SHA-256, read without trust.

The archive is what ``numpy.savez`` writes, so ``numpy.load`` opens it. Its zip comment holds the SHA-256 of all bytes
before the comment's digest, which covers what the members' CRC-32 does not (names, sizes, order).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import tokenize
import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.streams import STDIO, open_in, open_out, packed
from llmhd_tools.notes import visible

Arrays = dict[str, NDArray[Any]]

_SEAL = b"sha256:"
_HEX = 64
_END = struct.Struct("<4s16sH")  # a zip's last record: its mark, what it holds, the length of the comment behind it
_FREE_SIZE = 64 << 20  # bytes that an archive may declare whatever its own size
_MAX_RATIO = 200  # beyond that, unpacked bytes per byte of file; ours are stored unpacked, so 1
_DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    zlib.error,
)
# of a spliced directory: names that are no text, offsets before the start
_DAMAGE += (struct.error, ValueError, OverflowError)
_ODD = re.compile(rb"\\u[dD]|[0-9][eE]|NaN|Infinity|[0-9]{309}")
# A million ids that differ take seven bytes each with their commas; unread, [1,1,1,... makes much memory of few bytes.
_MOST_SHORT, _DISTINCT = 1_000_000, 6
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's zero: no clock in our files


def pack_json(value: object) -> NDArray[np.uint8]:
    """A JSON value as an array of UTF-8 bytes, the compact way to keep texts and ids beside numbers."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return np.frombuffer(text.encode(), dtype=np.uint8)


def unpack_json(array: NDArray[Any], path: str, name: str, distinct: bool = False) -> Any:
    """The JSON value behind :func:`pack_json`. Raises InputError where the bytes are not JSON.

    ``distinct`` says that it is a list of ids: more of them than so few bytes can tell apart are refused unread.
    """
    try:
        if array.dtype != np.uint8:
            raise ValueError
        text = array.tobytes()
        if distinct and len(text) < _DISTINCT * max(0, text.count(b",") - _MOST_SHORT):
            raise InputError(f"array '{name}' holds more ids than so few bytes can tell apart", where=path)
        value = json.loads(text)
        if _ODD.search(text):  # what could never be written again: 1e999, half of a surrogate pair
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        return value
    except (ValueError, RecursionError):
        raise InputError(f"array '{name}' does not hold JSON", where=path) from None


def write_arrays(path: str, arrays: Arrays) -> None:
    """Write ``arrays`` as one sealed NPZ; atomic, see :func:`streams.open_out`."""
    if path == STDIO:
        with open_out(path) as out:
            out.write(_archive(io.BytesIO(), arrays).read())
        return
    with open_out(path) as out:
        if not packed(path) and out.seekable():
            _archive(out, arrays)
        else:  # a compressed file or a pipe
            out.write(_archive(io.BytesIO(), arrays).read())


def _archive(out: IO[bytes], arrays: Arrays) -> IO[bytes]:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
        archive.comment = _SEAL + b"0" * _HEX
    end = out.seek(-_HEX, os.SEEK_END)
    digest = _sha256(out, end)
    out.seek(end)
    out.write(digest)
    out.flush()
    out.seek(0)
    return out


def _sha256(stream: IO[bytes], size: int) -> bytes:
    stream.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (chunk := stream.read(min(size, 1 << 20))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest().encode()


def read_arrays(path: str, *, verify: bool = False) -> Arrays:
    """Read every array of an NPZ. A seal is checked where there is one; ``verify`` refuses what may be left of one, too.

    Raises InputError for anything that is not whole, holds Python objects, or declares far more data than it can hold.
    """
    with open_in(path) as stream:
        source = stream if not packed(path) and path != STDIO and stream.seekable() else _in_memory(path, stream)
        try:
            with zipfile.ZipFile(source) as archive:
                _refuse_bombs(path, archive, source)
                arrays = {
                    info.filename.removesuffix(".npy"): _member(path, archive, info) for info in archive.infolist()
                }
                comment = archive.comment
        except _DAMAGE as error:
            source.seek(0)
            if not source.read(2).startswith(b"PK"):
                raise InputError("is not an NPZ file; is it the file that was meant?", where=path) from None
            raise InputError(f"is not a whole NPZ file ({_told(error)}); make it again", where=path) from None
        if comment.startswith(_SEAL):  # CRC-32 does not notice an array that the directory lost
            _check_seal(path, source, comment)
        elif verify and not _bare(source):
            raise InputError("holds what is no whole seal: some byte was changed, or it was cut", where=path)
    return arrays


def _told(error: Exception) -> str:
    """What a library says of damage, on one line: it may quote bytes of the file."""
    return "a name in it is no text" if isinstance(error, UnicodeDecodeError) else _short(str(error)) or "it is cut off"


def _short(text: str) -> str:
    text = visible(text)
    return text if len(text) <= 120 else text[:119] + "…"


def is_sealed(path: str) -> bool:
    """Whether an NPZ that can be read has a seal; one that others wrote has none, so a changed byte cannot be told."""
    with open_in(path) as stream:
        source = stream if not packed(path) and path != STDIO and stream.seekable() else _in_memory(path, stream)
        return not _bare(source)


def _bare(source: IO[bytes]) -> bool:
    """Whether an archive ends without any comment, as NumPy writes it."""
    source.seek(-min(_END.size, source.seek(0, os.SEEK_END)), os.SEEK_END)
    end = source.read()
    return len(end) == _END.size and _END.unpack(end)[0::2] == (b"PK\5\6", 0)


def _in_memory(path: str, stream: IO[bytes]) -> IO[bytes]:
    """The whole of a stream that cannot be searched. Raises InputError beyond ``_FREE_SIZE`` times sixteen."""
    limit = 16 * _FREE_SIZE
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"unpacks to more than {limit >> 20} MiB; refused: unpack it to a file first", where=path)
    return io.BytesIO(data)


def _refuse_bombs(path: str, archive: zipfile.ZipFile, source: IO[bytes]) -> None:
    infos = archive.infolist()
    size = source.seek(0, os.SEEK_END)
    declared = sum(info.file_size for info in infos)
    if declared > max(_FREE_SIZE, _MAX_RATIO * size):
        raise InputError(f"declares {declared:,} bytes of arrays in a file of {size:,} bytes; refused", where=path)
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise InputError("is packed in a way that NumPy does not use; refused", where=path)
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len(set(names)) != len(names):
        raise InputError("holds two arrays of one name; refused", where=path)


def _member(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    name = _short(info.filename)
    try:
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(member)
            count = 1
            for length in shape:  # Python's integers: a lying header must not overflow
                count *= length
            if dtype.hasobject:
                raise InputError(f"array '{name}' holds Python objects; refused", where=path)
            if count * dtype.itemsize != info.file_size - member.tell():
                raise InputError(f"array '{name}' is not of the size that its header declares", where=path)
            array: NDArray[Any] = np.frombuffer(member.read(), dtype=dtype)
            return array.reshape(shape, order="F" if fortran else "C")
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, OverflowError, MemoryError):
        raise InputError(f"member '{name}' is not a NumPy array", where=path) from None


def _check_seal(path: str, source: IO[bytes], comment: bytes) -> None:
    size = source.seek(0, os.SEEK_END)
    if _sha256(source, size - _HEX) != comment[len(_SEAL) :]:
        raise InputError("does not match its SHA-256 seal: some byte was changed; make it again", where=path)
