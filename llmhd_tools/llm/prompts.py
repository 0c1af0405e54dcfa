"""Prompts: nine plain text templates per domain, and texts of strangers put into them without becoming part of them.

A template is a file with placeholders: ``{profile}``, ``{item}``, ``{items}`` (a numbered list) and ``{known}`` (a
profile, or a numbered list in its place). A text takes a
placeholder's place cleaned (``untrusted.py``) and as a JSON string on one line, so it can neither end its string nor
open a line, a section or a message. What it *says* remains in the prompt: the templates declare it material to judge.

The packaged templates put what never changes first, the profile next and the item last, for the sake of servers that
reuse a common beginning.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.llm.requests import (
    Appraise,
    ItemView,
    Request,
    Revise,
    Score,
    ScoreTogether,
    Summarize,
    UserView,
)
from llmhd_tools.llm.untrusted import clean

DOMAINS = ("books", "restaurants", "games", "movies", "generic")
PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {  # template -> the placeholders that it must have; it may have no other
    "role": (),
    "summarize": ("items",),
    "score": ("profile", "item"),
    "score-together": ("known", "items"),
    "appraise": ("items",),
    "false-positive": ("profile", "items"),
    "false-negative": ("profile", "items"),
    "relate-user": ("profile", "item"),
    "relate-item": ("items", "item"),
}
ITEM_CHARS = 1_500
PROFILE_CHARS = 2_000

_TEMPLATES: Mapping[type, str] = {
    Summarize: "summarize",
    Score: "score",
    ScoreTogether: "score-together",
    Appraise: "appraise",
    UserView: "relate-user",
    ItemView: "relate-item",
}
_PLACEHOLDER = re.compile(r"\{(profile|items|item|known)\}")


def load_templates(source: str | os.PathLike[str]) -> dict[str, str]:
    """Load the nine templates of a domain, or of a folder of one's own with the same nine file names.

    A domain's name wins over a folder of that name; write ``./books`` for the folder. Raises UsageError when there is
    neither, InputError when a file is missing, empty, not UTF-8, or lacks a placeholder or has one of another template.
    """
    folder = Path(__file__).with_name("templates") / source if source in DOMAINS else Path(source)
    if not folder.is_dir():
        raise UsageError(f"no templates {os.fspath(source)!r}: give a folder, or one of {', '.join(DOMAINS)}")
    return {name: _load(folder / f"{name}.txt", wanted) for name, wanted in PLACEHOLDERS.items()}


def _load(path: Path, wanted: tuple[str, ...]) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "is not text in UTF-8"
        more = "; an empty role.txt sends no role" * (path.stem == "role")
        raise InputError(f"cannot read the template: {reason}{more}", where=path) from error
    if not text and path.stem == "role":  # a model without a system message: what it should know stands in the others
        return ""
    if not text:
        raise InputError("the template is empty", where=path)
    found = _PLACEHOLDER.findall(text)
    for name in wanted:
        if name not in found:
            raise InputError(f"the placeholder {{{name}}} is missing; put it where that text should stand", where=path)
    for name in found:
        if name not in wanted:
            raise InputError(f"the placeholder {{{name}}} has no meaning in this template", where=path)
    return text


def template_of(request: Request) -> str:
    """The name of the template that asks this request."""
    if isinstance(request, Revise):
        return request.kind
    return _TEMPLATES[type(request)]


def render(request: Request, templates: Mapping[str, str]) -> list[dict[str, str]]:
    """The chat messages that ask for an answer: the role as system message, and one user message (LLMHD Figures 5-8).

    An empty role sends none.
    """
    texts: dict[str, str] = {}
    if isinstance(request, Score | UserView | ItemView):
        texts["item"] = _literal(request.item, ITEM_CHARS)
    if isinstance(request, Summarize | Revise | ItemView | ScoreTogether | Appraise):
        texts["items"] = _numbered(request.items, ITEM_CHARS)
    if isinstance(request, ScoreTogether):
        if isinstance(request.known, str):
            texts["known"] = _literal(request.known, PROFILE_CHARS)
        else:
            texts["known"] = _numbered(request.known, ITEM_CHARS)
    if isinstance(request, Score | Revise | UserView):
        texts["profile"] = _literal(request.profile, PROFILE_CHARS)
    content = _PLACEHOLDER.sub(lambda place: texts[place[1]], templates[template_of(request)])
    asked = {"role": "user", "content": content}
    return [{"role": "system", "content": templates["role"]}, asked] if templates["role"] else [asked]


def without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with the system message, where there is one, at the head of the first user message."""
    if messages[0]["role"] != "system":
        return messages
    role, asked, *more = messages
    return [asked | {"content": f"{role['content']}\n\n{asked['content']}"}, *more]


def _numbered(items: Iterable[str], limit: int) -> str:
    literals = (_literal(item, limit) for item in items)
    shown = (literal for literal in literals if literal != '""')
    return "\n".join(f"{number}. {literal}" for number, literal in enumerate(shown, start=1))


def _literal(text: str, limit: int) -> str:
    return json.dumps(clean(text, limit), ensure_ascii=False)
