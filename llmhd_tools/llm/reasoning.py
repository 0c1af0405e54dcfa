"""What a model thinks aloud before (or after) it answers, which is never the answer.

Servers either cut it off, or leave it in the text between marks of the model's own: ``<think>...</think>`` and its like.
Where the chat template writes the opening mark, the reply holds the closing one alone: all before it is reasoning then.
"""

from __future__ import annotations

import re

_NAMES = (
    r"think(?:ing)?|thoughts?|thought[_ -]process|reason(?:ing)?|reflection|analysis|scratch_?pad|monologue"
    r"|(?:internal|inner)_monologue|chain[_-]of[_-]thought|cot"
)
_TAG = rf"(?:{_NAMES}|[\w-]{{0,20}}(?:think|thought|reasoning|rationale)[\w-]{{0,20}})"  # and names made of these
_MARK = re.compile(
    rf"""
    (?P<block> <details\s[^<>]{{0,200}}reasoning[^<>]{{0,200}}> .*? (?:</details>|\Z) )
  | (?P<open>
        <(?:\w{{1,20}}:)?{_TAG}(?:\s[^<>]{{0,200}})?>     # <think>, <seed:think>, <thinking depth="3">, <reasoning_content>
      | \AThinking\.\.\.\s
      | <\|(?:begin_of_|start_|start_of_)?(?:{_NAMES})\|>       # <|begin_of_thought|>, <|START_THINKING|>
      | \[(?:{_NAMES})\]                                        # [THINK]
      | ◁(?:{_NAMES})▷
      | <\|channel\|?>\s*(?:analysis|commentary|thought)\b
      | \Aanalysis(?=(?-i:[A-Z])|.{{1,100000}}?assistantfinal)  # the same where a server dropped the control tokens
      | <unused94>
      | <\|inner_prefix\|>
      | \A\s*here(?:\ is|['’]s)\ my\ thought\ process:
    )
  | (?P<close>
        </\s?(?:\w{{1,20}}:)?{_TAG}\s?>
      | \.\.\.\s?done\ thinking\.
      | <\|(?:end_of_|end_|/)(?:{_NAMES})\|>
      | \[/(?:{_NAMES})\]
      | ◁/(?:{_NAMES})▷
      | <\|channel\|>\s*final\b(?:\s*<\|message\|>)?
      | assistantfinal
      | <channel\|>
      | <unused95>
      | <\|inner_suffix\|>
      | here(?:\ is|['’]s)\ my\ response:
    )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def spoken(text: str) -> str:
    """The text with its reasoning blanked out, so that every other character keeps its place.

    Reasoning is what stands between an opening mark and the next closing one, before a closing one that no mark opened,
    and behind an opening one that nothing closes.
    """
    blank: list[tuple[int, int]] = []
    start: int | None = None
    for mark in _MARK.finditer(text):
        if mark["block"] is not None:
            blank += [mark.span()] if start is None else []
        elif mark["open"] is not None:
            start = mark.start() if start is None else start
        else:
            blank = [(0, mark.end())] if start is None else [*blank, (start, mark.end())]
            start = None
    if start is not None:
        blank.append((start, len(text)))
    if not blank:
        return text
    pieces, at = [], 0
    for begin, end in blank:
        pieces += [text[at:begin], " " * (end - begin)]
        at = end
    return "".join([*pieces, text[at:]])
