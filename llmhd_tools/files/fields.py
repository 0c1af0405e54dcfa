"""What a kind of file and a field of it are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Type = Literal["user", "item", "int", "label", "float32", "float", "number", "bool", "text", "list"]

TYPES: dict[Type, tuple[str, str]] = {
    # what it is in JSONL, what it is in NPZ
    "user": ("string or integer", "int32 code into `user_ids`"),
    "item": ("string or integer", "int32 code into `item_ids`"),
    "int": ("integer", "int64"),
    "label": ("0 or 1", "int8"),
    "float32": ("number", "float32"),
    "float": ("number", "float64"),
    "number": ("number", "float64, written back as an integer where it is one"),
    "bool": ("true or false", "int8"),
    "text": ("string", "UTF-8 JSON list"),
    "list": ("list", "UTF-8 JSON list"),
}


@dataclass(frozen=True)
class Field:
    """One column: its name, its type, whether each record must have it, and what it means.

    Ids are in all records or in none, unless ``partly``.
    """

    name: str
    type: Type
    help: str
    required: bool = True
    low: float | None = None
    high: float | None = None
    partly: bool = False
    above: float | None = None  # as ``low``, but that number itself is not allowed


@dataclass(frozen=True)
class Kind:
    """One kind of file. ``forms`` says which of text and binary exist; unknown fields of a record pass through."""

    name: str
    schema: int
    help: str
    fields: tuple[Field, ...]
    written_by: str
    read_by: str
    forms: tuple[str, ...] = ("text", "binary")
    arrays: tuple[tuple[str, str], ...] = field(default=())
    may_be_empty: bool = False

    def __getitem__(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)
