"""Conditions on the rows of a file, such as ``score <= 3 and loss > 1``: a small grammar of its own, nothing is evaluated.

Python's parser reads the words, and only what stands here is understood: names of fields, numbers, texts, ``None``,
comparisons (also ``in``), ``and``, ``or``, ``not``, ``+ - * /``. A field that a row lacks is None; None compares with
nothing but ``==`` and ``!=``, and what cannot be compared is false.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.files.jsonl import Record

Test = Callable[[Record], Any]

_COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
}
_COUNTED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST = 10_000  # characters


def condition(text: str) -> tuple[Test, set[str]]:
    """What tests a record, and the fields that it looks at. Raises UsageError for what is not of the grammar."""
    try:
        tree = ast.parse(text.strip() if len(text) <= _LONGEST else "", mode="eval")
        fields: set[str] = set()
        return _read(tree.body, fields), fields
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"'{text[:60]}' is no condition such as \"score <= 3 and loss > 1\"") from None


def _read(node: ast.AST, fields: set[str]) -> Test:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        value = node.value
        return lambda record: value
    if isinstance(node, ast.Name):
        name = node.id
        fields.add(name)
        return lambda record: record.get(name)
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_read(part, fields) for part in node.elts]
        return lambda record: [part(record) for part in parts]
    if isinstance(node, ast.BoolOp):
        parts = [_read(part, fields) for part in node.values]
        joined = all if isinstance(node.op, ast.And) else any
        return lambda record: joined(part(record) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        one, turned = _read(node.operand, fields), operator.not_ if isinstance(node.op, ast.Not) else operator.neg
        return lambda record: _tried(turned, one(record))
    if isinstance(node, ast.BinOp) and type(node.op) in _COUNTED:
        count, left, right = _COUNTED[type(node.op)], _read(node.left, fields), _read(node.right, fields)
        return lambda record: _number(count, left(record), right(record))
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARED for op in node.ops):
        return _comparison(node, fields)
    raise ValueError


def _comparison(node: ast.Compare, fields: set[str]) -> Test:
    sides = [_read(side, fields) for side in (node.left, *node.comparators)]
    compared = [_COMPARED[type(op)] for op in node.ops]

    def test(record: Record) -> bool:
        values = [side(record) for side in sides]
        return all(_tried(c, a, b) for c, a, b in zip(compared, values, values[1:], strict=False))

    return test


def _tried(apply: Callable[..., Any], *values: Any) -> Any:
    """What comes out; None, which is false, for values that do not go together."""
    try:
        return apply(*values)
    except TypeError:
        return None


def _number(count: Callable[[Any, Any], Any], left: Any, right: Any) -> float | None:
    """Of two numbers a number; of anything else, and of a division by 0, None."""
    if not all(isinstance(side, int | float) for side in (left, right)):
        return None
    try:
        return float(count(left, right))
    except (ZeroDivisionError, OverflowError):
        return None
