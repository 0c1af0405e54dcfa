"""What counts as an answer in the text that a language model replies with.

    score     =  last legal tag, or else the whole reply as a bare number
    tag       =  "<s>" number "</s>"  |  "<s>" number end-of-reply
    number    =  "1" | "2" | ... | "9" | "10", in ASCII digits, with white space around it or not
    summary   =  last legal "<summarization>" text "</summarization>"
    profile   =  last legal "<profile>" text "</profile>"
    level     =  last legal "<relevance>" word "</relevance>", or else the whole reply as a bare word
    word      =  "High" | "Mid" | "Low", in small or capital letters, with white space around it or not
    text      =  1..150 words and up to 2,000 characters, with at least one letter or digit and no tag inside

Everything else is an error, and an error is never turned into a value: no sign, fraction, leading zero, "8/10" or
"eight", no digits of other scripts, no clamping of 0 or 11. The last legal tag wins because a chatty reply thinks first
and answers last; illegal tags are passed over. The unclosed ``<s>8`` and the bare ``8`` are legal because ``<s>`` and
``</s>`` are control tokens of some vocabularies, which servers strip from replies. The white space of a text is
collapsed. Prompts ask for 100 words; up to 150 are taken as they are, since models count badly, and more is an error.
All rules take time linear in the length of the reply.
"""

from __future__ import annotations

import re

from llmhd_tools.llm.requests import Answer, ItemView, Request, Score, Summarize, UserView

MAX_WORDS = 100
ACCEPTED_WORDS = 150
ACCEPTED_CHARS = 2_000

_TAGGED = re.compile(r"<s>\s*(10|[1-9])\s*(?:</s>|\Z)")
_BARE = re.compile(r"\s*(10|[1-9])\s*")
_LEVEL = re.compile(r"<relevance>\s*(high|mid|low)\s*</relevance>", re.IGNORECASE | re.ASCII)
_BARE_LEVEL = re.compile(r"\s*(high|mid|low)\s*", re.IGNORECASE | re.ASCII)
_MARKUP = re.compile(r"<[/|A-Za-z]")


def parse(request: Request, text: str) -> Answer:
    """Read a reply by the grammar of the request that it answers."""
    if isinstance(request, Score):
        return parse_score(text)
    if isinstance(request, UserView | ItemView):
        return parse_level(text)
    return parse_summary(text) if isinstance(request, Summarize) else parse_profile(text)


def parse_score(text: str) -> Answer:
    """Read the answer to T_score (Figure 6): a whole number 1..10."""
    number = _last(_TAGGED, _BARE, text)
    if number is None:
        return Answer(error=f"no <s>N</s> with a whole number N from 1 to 10 in the reply {_quoted(text)}")
    return Answer(int(number))


def parse_level(text: str) -> Answer:
    """Read the answer to one of LLMHNI's two views: High, Mid or Low."""
    word = _last(_LEVEL, _BARE_LEVEL, text)
    if word is None:
        return Answer(error=f"no <relevance>...</relevance> with High, Mid or Low in the reply {_quoted(text)}")
    return Answer(word.capitalize())


def _last(tagged: re.Pattern[str], bare: re.Pattern[str], text: str) -> str | None:
    """What stands in the last tag, or without a tag in the whole text."""
    found = list(tagged.finditer(text)) or [match for match in [bare.fullmatch(text)] if match]
    return found[-1][1] if found else None


def parse_summary(text: str) -> Answer:
    """Read the answer to T_sum (Figure 5)."""
    return _last_text(text, "summarization")


def parse_profile(text: str) -> Answer:
    """Read the answer to T_FP or T_FN (Figures 7 and 8)."""
    return _last_text(text, "profile")


def _last_text(text: str, tag: str) -> Answer:
    last_fault = f"no <{tag}>...</{tag}>"
    for number, piece in enumerate(reversed(text.split(f"<{tag}>")[1:])):
        body, closing, _ = piece.partition(f"</{tag}>")
        fault = _fault(body) if closing else f"an unclosed <{tag}>"
        if fault is None:
            return Answer(" ".join(body.split()))
        if number == 0:
            last_fault = fault
    return Answer(error=f"{last_fault} in the reply {_quoted(text)}")


def _fault(body: str) -> str | None:
    """What makes a text illegal, if anything does."""
    words = body.split()
    if not any(mark.isalnum() for mark in body):
        return "an empty text"
    if _MARKUP.search(body):
        return "a tag inside the text"
    if len(words) > ACCEPTED_WORDS:
        return f"{len(words)} words where {MAX_WORDS} are allowed"
    if len(body) > ACCEPTED_CHARS:
        return f"{len(body)} characters where {ACCEPTED_CHARS} are allowed"
    return None


def _quoted(text: str) -> str:
    """The end of a reply, which is where the answer should be, safe to print."""
    return ascii(text if len(text) <= 60 else "..." + text[-57:])
