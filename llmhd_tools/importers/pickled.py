"""A reader for the pickles of RLMRec folders that cannot call anything.

Python's unpickler with a list of allowed classes would still allocate by hostile sizes, hash hostile keys and hand
hostile states to numpy. So this is a small stack machine over ``pickletools.genops`` that knows plain data,
scipy.sparse COO/CSR/CSC matrices and flat numpy arrays, and builds stand-ins for the latter; any other name is
refused. As no object of the file's choosing is made, it also reads matrices of scipy and numpy versions that are not
installed.
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.text import first_line, need_file, shown

MAX_BYTES = 256 << 20
MAX_STEPS = 8_000_000  # opcodes; each makes at most a small object

_MATRICES = {
    f"scipy.sparse.{dot}{kind} {kind}_{suffix}": kind
    for kind in ("coo", "csr", "csc")
    for dot in ("", "_")
    for suffix in ("matrix", "array")
}
_CALLS = {
    **{f"numpy.{core}.multiarray {name}": name for core in ("core", "_core") for name in ("_reconstruct", "scalar")},
    **{f"numpy.{core}.numeric _frombuffer": "_frombuffer" for core in ("core", "_core")},
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}
_PUSH = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT", "NONE", "NEWTRUE"}
_PUSH |= {"NEWFALSE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_PUSH |= {"BYTEARRAY8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(eq=False)
class Matrix:
    """Stand-in for a scipy.sparse matrix: its format and its attributes as pickled (arrays are numpy arrays)."""

    kind: str  # coo, csr or csc
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class _Name:
    name: str


@dataclass(eq=False)
class _Dtype:
    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.code).newbyteorder("=" if self.order == "|" else self.order)  # type: ignore[arg-type]
        return dtype


@dataclass(eq=False)
class _Array:
    values: NDArray[Any] | None = None


def load(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Plain data (dict, list, tuple, str, bytes, numbers) and ``Matrix`` from a pickle of protocol 2 to 5.

    InputError: names anything but sparse matrices and arrays (the name is given), is damaged, or exceeds ``max_bytes``.
    """
    with need_file(path).open("rb") as stream:
        blob = stream.read(max_bytes + 1)
    if len(blob) > max_bytes:
        raise InputError(f"is larger than {max_bytes} bytes", where=path)
    machine = _Machine()
    try:
        return machine.run(blob)
    except _Refused as err:
        raise InputError(f"{err}; only scipy.sparse matrices and plain data are read", where=path) from err
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as err:
        raise InputError(f"not a whole pickle (byte {machine.at}): {first_line(err)}", where=path) from err


class _Refused(Exception):
    pass


class _Machine:
    def __init__(self) -> None:
        self.at = 0
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, blob: bytes) -> Any:
        for step, (opcode, arg, at) in enumerate(pickletools.genops(blob)):
            self.at = at or 0
            if step >= MAX_STEPS:
                raise _Refused(f"takes more than {MAX_STEPS} steps")
            if opcode.name in _PUSH:
                self._stack.append(_CONSTANTS.get(opcode.name, arg))
            elif opcode.name not in ("PROTO", "FRAME", "STOP"):
                handler = getattr(self, "_op_" + opcode.name.lower(), None)
                if handler is None:
                    raise _Refused(f"uses {opcode.name} at byte {self.at}")
                handler(arg)
        (value,) = self._stack
        if self._marks:
            raise ValueError("a mark is left over")
        return value

    def _pop_to_mark(self) -> list[Any]:
        above, self._stack = self._stack, self._marks.pop()
        return above

    def _op_mark(self, _: None) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _op_memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _op_binput(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _op_binget(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _op_long_binput, _op_long_binget = _op_binput, _op_binget

    def _make(self, _: None, *, kind: type) -> None:
        self._stack.append(kind())

    _op_empty_dict = partialmethod(_make, kind=dict)
    _op_empty_list = partialmethod(_make, kind=list)
    _op_empty_tuple = partialmethod(_make, kind=tuple)

    def _op_tuple(self, _: None) -> None:
        values = tuple(self._pop_to_mark())
        self._stack.append(values)

    def _tuple(self, _: None, *, size: int) -> None:
        if len(self._stack) < size:
            raise ValueError("the stack is too short")
        self._stack[-size:] = [tuple(self._stack[-size:])]

    _op_tuple1 = partialmethod(_tuple, size=1)
    _op_tuple2 = partialmethod(_tuple, size=2)
    _op_tuple3 = partialmethod(_tuple, size=3)

    def _op_append(self, _: None) -> None:
        self._extend([self._stack.pop()])

    def _op_appends(self, _: None) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise TypeError("appends to something that is no list")
        self._stack[-1].extend(values)

    def _op_setitem(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def _op_setitems(self, _: None) -> None:
        self._update(self._pop_to_mark())

    def _update(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise TypeError("sets an item of something that is no dict")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) not in (str, int):  # a nested tuple can take forever to hash
                raise TypeError("a dict's key is neither a string nor an integer")
            target[key] = value

    def _op_global(self, name: str) -> None:
        if name not in _MATRICES and name not in _CALLS:
            raise _Refused(f"refused: the pickle names {shown(name.replace(' ', '.'), 80)}")
        self._stack.append(_Name(name))

    def _op_stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a global's name is no string")
        self._op_global(f"{module} {name}")

    def _op_newobj(self, _: None) -> None:
        args, cls = self._stack.pop(), self._stack.pop()
        if type(cls) is not _Name or cls.name not in _MATRICES or args != ():
            raise TypeError("makes an object that is no sparse matrix")
        self._stack.append(Matrix(_MATRICES[cls.name]))

    def _op_reduce(self, _: None) -> None:
        args, name = self._stack.pop(), self._stack.pop()
        if type(name) is not _Name or type(args) is not tuple:
            raise TypeError("calls something that has no name")
        self._stack.append(_call(_CALLS.get(name.name, name.name), args))

    def _op_build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if type(target) is Matrix and type(state) is dict:
            for key, value in state.items():  # arrays unwrapped, also two of them in ``coords``
                parts = [v.values if type(v) is _Array else v for v in (value if type(value) is tuple else [value])]
                target.state[key] = tuple(parts) if type(value) is tuple else parts[0]
        elif type(target) is _Dtype and type(state) is tuple and state[1] in ("<", ">", "|", "="):
            target.order = state[1]
        elif type(target) is _Array and type(state) is tuple:
            _, shape, dtype, _, data = state
            target.values = _flat(data, dtype, shape)
        else:
            raise TypeError("sets the state of something that has none")


def _call(name: str, args: tuple[Any, ...]) -> Any:
    """What the few known calls mean; nothing is called."""
    if name == "encode" and len(args) == 2 and type(args[0]) is str and args[1] == "latin1":
        return args[0].encode("latin1")
    if name == "dtype" and type(args[0]) is str:
        if not re.fullmatch("b1|[iu][1248]|f[248]", args[0]):
            raise _Refused(f"holds an array of type {shown(args[0])}")
        return _Dtype(args[0])
    if name == "_reconstruct":
        return _Array()
    if name == "_frombuffer" and len(args) == 4:
        return _Array(_flat(*args[:3]))
    if name == "scalar" and len(args) == 2:
        return _flat(args[1], args[0], (1,))[0].item()
    raise TypeError(f"calls {shown(name)} in an unknown way")


def _flat(data: Any, dtype: Any, shape: Any) -> NDArray[Any]:
    if not isinstance(data, (bytes, bytearray)) or type(dtype) is not _Dtype or type(shape) is not tuple:
        raise TypeError("an array has no bytes, type or shape")
    values: NDArray[Any] = np.frombuffer(data, dtype=dtype.numpy())
    if shape != (len(values),):
        raise ValueError(f"an array of {len(values)} values says it has another shape")
    return values
