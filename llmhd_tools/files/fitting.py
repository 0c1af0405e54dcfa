"""Which kind of file some fields look like, where a file does not say."""

from __future__ import annotations

from collections.abc import Collection

from llmhd_tools.files.schema import KINDS


def fitting(keys: Collection[str]) -> str | None:
    """The kind whose required fields are all among ``keys`` and that knows most of them; None where there is none.

    A single field says too little. Only items have both ``item`` and ``profile``: what else an item has may be called as the
    fields of other kinds.
    """
    if {"item", "profile"} <= set(keys):
        return "items"
    fits = [
        kind
        for kind in KINDS.values()
        if "text" in kind.forms
        and all(spec.name in keys for spec in kind.fields if spec.required)
        and sum(spec.name in keys for spec in kind.fields) > 1
    ]
    best = max(fits, key=lambda kind: (sum(f.name in keys for f in kind.fields), -len(kind.fields)), default=None)
    return best.name if best else None
