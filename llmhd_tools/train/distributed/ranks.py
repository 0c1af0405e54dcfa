"""Several processes that run one command together: who leads, who follows, and how all end together.

Rank 0 runs the command: it alone reads files, writes them and talks. The others follow its orders until it says stop.
An error on any rank ends all: the first to meet one claims it in the store that torchrun (or rank 0) holds and tells
it; the others leave without a word, with the same exit code. Orders and arrays travel as plain numbers, never pickled.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from llmhd_tools.errors import DeviceError, LlmhdError, UsageError

Array = NDArray[Any]
Order = dict[str, Any]

_PATIENCE = timedelta(days=7)  # followers wait as long as rank 0 reads, or asks a language model
_DTYPES = [np.dtype(name) for name in ("uint8", "int32", "int64", "float32")]
_CLAIM = "llmhd/error"


class Ranks:
    """This process among all of a run. ``share``, ``deal`` and ``collect`` are called by all ranks at the same time."""

    here: ClassVar[Ranks | None] = None  # where this process is one of several

    def __init__(self) -> None:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            with _stdout_for_data():
                dist.init_process_group(backend, timeout=_PATIENCE)
        except (ValueError, RuntimeError) as error:
            raise UsageError(
                f"WORLD_SIZE is set, but the processes do not meet; start them with torchrun ({_first_line(error)})"
            ) from error
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.store = dist.distributed_c10d._get_default_store()
        self.together = False  # in the middle of an order, where the others do not listen for another
        Ranks.here = self

    @contextlib.contextmanager
    def order(self, do: str, **details: Any) -> Iterator[None]:
        """On rank 0: have the others do what the body of this ``with`` does."""
        self.together = True
        self.share(np.frombuffer(json.dumps({"do": do, **details}).encode(), np.uint8))
        yield
        self.together = False

    def orders(self) -> Iterator[Order]:
        """On the other ranks: what rank 0 wants done, the last order being ``stop``."""
        while True:
            order: Order = json.loads(self.share().tobytes())
            yield order
            if order["do"] == "stop":
                return

    def claim(self, code: int) -> int | None:
        """None where this rank is the first to fail, so that it should tell; else the exit code of the one that was."""
        mine = f"{self.rank} {code}"
        try:
            first = self.store.compare_set(_CLAIM, "", mine).decode()
        except (RuntimeError, ValueError):  # rank 0 held the store, and has told what ended it
            return DeviceError.exit_code
        return None if first == mine else int(first.split()[1])

    def share(self, array: Array | None = None) -> Array:
        """Rank 0's array, on every rank."""
        head = torch.from_numpy(_head(array))
        dist.broadcast(head, 0)
        if array is None:
            array = _empty(head)
        if array.size:
            dist.broadcast(_tensor(array), 0)
        return array

    def deal(self, count: int, arrays: Callable[[int], Sequence[Array]] | None = None) -> list[Array]:
        """On rank r, the ``count`` arrays that rank 0's ``arrays(r)`` gives."""
        if arrays is None:
            return [_receive(0) for _ in range(count)]
        for rank in range(1, self.size):
            for array in arrays(rank):
                _send(np.ascontiguousarray(array), rank)
        return [np.ascontiguousarray(array) for array in arrays(0)]

    def collect(self, array: Array) -> list[Array]:
        """On rank 0, the array of every rank; on the others, nothing."""
        array = np.ascontiguousarray(array)
        if self.rank:
            _send(array, 0)
            return []
        return [array, *(_receive(rank) for rank in range(1, self.size))]

    def leave(self, code: int) -> None:
        """Let the others go, with this exit code, where they still listen; then part."""
        with contextlib.suppress(RuntimeError):  # they may have gone already
            if self.rank == 0 and not self.together:
                with self.order("stop", code=code):
                    pass
            dist.destroy_process_group()


@contextlib.contextmanager
def lost_told() -> Iterator[None]:
    """Tell of a lost connection in words."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, LlmhdError) or not ("gloo" in str(error).lower() or isinstance(error, dist.DistError)):
            raise
        raise DeviceError(
            f"another process of this run was lost; nothing more is written ({_first_line(error)})"
        ) from error


@contextlib.contextmanager
def _stdout_for_data() -> Iterator[None]:
    """Send what libraries print while they connect to stderr: stdout is for data."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _head(array: Array | None) -> NDArray[np.int64]:
    """(4,) number of the dtype, dimensions and shape."""
    if array is None:
        return np.zeros(4, np.int64)
    shape: Sequence[int] = array.shape + (1,) * (2 - array.ndim)
    return np.array([_DTYPES.index(array.dtype), array.ndim, *shape], np.int64)


def _send(array: Array, rank: int) -> None:
    dist.send(torch.from_numpy(_head(array)), rank)
    if array.size:
        dist.send(_tensor(array), rank)


def _receive(rank: int) -> Array:
    head = torch.from_numpy(_head(None))
    dist.recv(head, rank)
    array = _empty(head)
    if array.size:
        dist.recv(_tensor(array), rank)
    return array


def _empty(head: torch.Tensor) -> Array:
    dtype, dimensions, *shape = head.tolist()
    return np.empty(shape[:dimensions], _DTYPES[dtype])


def _tensor(array: Array) -> torch.Tensor:
    """The array's memory as a tensor; one that came out of a file or a bytes object may be read-only."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
