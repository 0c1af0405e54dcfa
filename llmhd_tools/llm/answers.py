"""What counts as an answer in the text that a language model replies with.

    score     =  last legal tag, or else the whole reply as a bare number
    tag       =  "<s>" number "</s>"  |  "<s>" number end-of-reply
    bare      =  number, with control tokens behind it ("</s>", "<|end|>") or not
    number    =  "1" | "2" | ... | "9" | "10", in ASCII digits, with white space around it or not
    summary   =  last legal "<summarization>" text "</summarization>"
    profile   =  last legal "<profile>" text "</profile>"
    level     =  last legal "<relevance>" word "</relevance>", or else the whole reply as a bare word
    scores    =  the lines in the last "<scores>" ... "</scores>", or else those of the whole reply; a line that is no
                 legal one is passed over, and a number whose lines differ has none
    line      =  item ":" half, with "=", "." or ")" in the place of the colon, and "," or "." at its end or not
    half      =  number, or "1".."9" with ".5" behind it
    word      =  "High" | "Mid" | "Low", in small or capital letters, with white space around it or not
    text      =  1..150 words and up to 2,000 characters, with at least one letter or digit and no tag inside

All of it is read in what a reply says outside its reasoning (``reasoning.py``). Everything else is an error, and an error
is never turned into a value: no sign, fraction, leading zero, "8/10" or
"eight", no digits of other scripts, no clamping of 0 or 11. The last legal tag wins because a chatty reply thinks first
and answers last; illegal tags are passed over. The unclosed ``<s>8`` and the bare ``8`` are legal because ``<s>`` and
``</s>`` are control tokens of some vocabularies, which servers strip from replies. The white space of a text is
collapsed. Prompts ask for 100 words; up to 150 are taken as they are, since models count badly, and more is an error.
All rules take time linear in the length of the reply.
"""

from __future__ import annotations

import re

from llmhd_tools.llm.reasoning import spoken
from llmhd_tools.llm.requests import Answer, ItemView, Listed, Request, Score, Summarize, UserView

MAX_WORDS = 100
ACCEPTED_WORDS = 150
ACCEPTED_CHARS = 2_000

_TAGGED = re.compile(r"<s>\s*(10|[1-9])\s*(?:</s>|\Z)")
_END = r"(?:\s|</s>|<\|\w{1,40}\|>)*"
_BARE = re.compile(r"\s*(10|[1-9])" + _END)
_LEVEL = re.compile(r"<relevance>\s*(high|mid|low)\s*</relevance>", re.IGNORECASE | re.ASCII)
_BARE_LEVEL = re.compile(r"\s*(high|mid|low)" + _END, re.IGNORECASE | re.ASCII)
_LISTED = re.compile(r"<scores>(.*?)(?:</scores>|\Z)", re.DOTALL)
_LINE = re.compile(r"\s*(\d{1,4})\s*(?:[:=]|[.)](?!\d))\s*(10(?:\.0)?|[1-9](?:\.[05])?)[,.]?\s*", re.ASCII)
_MARKUP = re.compile(r"<[/|A-Za-z]")


def parse(request: Request, text: str) -> Answer:
    """Read a reply by the grammar of the request that it answers."""
    if isinstance(request, Score):
        return parse_score(text)
    if isinstance(request, UserView | ItemView):
        return parse_level(text)
    if isinstance(request, Listed):
        return parse_scores(text, len(request.items))
    return parse_summary(text) if isinstance(request, Summarize) else parse_profile(text)


def find_score(text: str) -> re.Match[str] | None:
    """Where the score stands in a reply, as group 1; None where there is no legal one."""
    return _last(_TAGGED, _BARE, text)


def parse_score(text: str) -> Answer:
    """Read the answer to T_score (Figure 6): a whole number 1..10."""
    found = find_score(text)
    if found is None:
        return Answer(error=f"no <s>N</s> with a whole number N from 1 to 10 in the reply {_quoted(text)}")
    return Answer(int(found[1]))


def parse_scores(text: str, count: int) -> Answer:
    """Read the answer to one of the questions about ``count`` items: a score for each number from 1.

    What is legal counts; what is missing is None, and ``lacks`` says so, and where there are numbers too many.
    """
    said = spoken(text)
    blocks = _LISTED.findall(said)
    found: dict[int, set[float]] = {}
    for line in (blocks[-1] if blocks else said).split("\n"):
        if (match := _LINE.fullmatch(line)) is not None:
            found.setdefault(int(match[1]), set()).add(float(match[2]))
    asked = range(1, count + 1)
    scores = tuple(found[n].copy().pop() if len(found.get(n, ())) == 1 else None for n in asked)
    missing = [n for n, score in zip(asked, scores, strict=True) if score is None]
    more = sorted(found.keys() - set(asked))
    if len(missing) == count:
        return Answer(error=f"no line 'NUMBER: SCORE' with a score from 1 to 10 in the reply {_quoted(text)}")
    lacks = [f"no single score from 1 to 10 for {_numbers(missing)}"] * bool(missing)
    lacks += [f"{_numbers(more)} was not asked for"] * bool(more)
    return Answer(scores, lacks="; ".join(lacks) or None)


def _numbers(numbers: list[int]) -> str:
    """``number 3`` or ``numbers 3, 7, 9``; the first ten."""
    told = ", ".join(map(str, numbers[:10])) + ", …" * (len(numbers) > 10)
    return f"number{'s' * (len(numbers) > 1)} {told}"


def parse_level(text: str) -> Answer:
    """Read the answer to one of LLMHNI's two views: High, Mid or Low."""
    found = _last(_LEVEL, _BARE_LEVEL, text)
    if found is None:
        return Answer(error=f"no <relevance>...</relevance> with High, Mid or Low in the reply {_quoted(text)}")
    return Answer(found[1].capitalize())


def _last(tagged: re.Pattern[str], bare: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last tag, or without a tag the whole text."""
    said = spoken(text)
    *_, found = [bare.fullmatch(said), *tagged.finditer(said)]
    return found


def parse_summary(text: str) -> Answer:
    """Read the answer to T_sum (Figure 5)."""
    return _last_text(text, "summarization")


def parse_profile(text: str) -> Answer:
    """Read the answer to T_FP or T_FN (Figures 7 and 8)."""
    return _last_text(text, "profile")


def _last_text(text: str, tag: str) -> Answer:
    last_fault = f"no <{tag}>...</{tag}>"
    for number, piece in enumerate(reversed(spoken(text).split(f"<{tag}>")[1:])):
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
    length = len(" ".join(words))
    if not any(mark.isalnum() for mark in body):
        return "an empty text"
    if _MARKUP.search(body):
        return "a tag inside the text"
    if len(words) > ACCEPTED_WORDS:
        return f"{len(words)} words where {MAX_WORDS} are allowed"
    if length > ACCEPTED_CHARS:
        return f"{length} characters where {ACCEPTED_CHARS} are allowed"
    return None


def _quoted(text: str) -> str:
    """The end of a reply, which is where the answer should be, safe to print."""
    return ascii(text if len(text) <= 60 else "..." + text[-57:])
