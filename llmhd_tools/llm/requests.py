"""Who answers the method's prompts: the requests, the answers and the one small interface between them.

A provider is one file with one class. It gets a stream of requests and gives one answer for each, in order; it may look
ahead in the stream by a bounded number of requests (concurrent calls), but never needs the whole of it. Requests that
share a profile are best sent next to each other: prompts then share their beginning, and local providers their work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from llmhd_tools.llm.untrusted import clean


@dataclass(frozen=True)
class Summarize:
    """T_sum (Figure 5): say in words what the user who chose these items likes. ``user`` never enters the prompt."""

    user: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """T_score (Eq. 11, Figure 6): how much the user of this profile would like this item, 1..10.

    Another ``sample`` is another question in the same words: it is asked and kept for itself. ``ids`` of user and item, as
    text, never enter the prompt.
    """

    profile: str
    item: str
    sample: int = 0
    ids: tuple[str, str] | None = None


@dataclass(frozen=True)
class ScoreTogether:
    """T_score for several items of one user in one call: a score each, in their order.

    ``known`` is the user's profile, or items that the user touched in its place.
    """

    known: str | tuple[str, ...]
    items: tuple[str, ...]
    sample: int = 0


@dataclass(frozen=True)
class Appraise:
    """How well those who chose an item liked it on the whole: a score for each of some items, in their order."""

    items: tuple[str, ...]
    sample: int = 0


@dataclass(frozen=True)
class Revise:
    """T_FP (Eq. 21, Figure 7) and T_FN (Eq. 22, Figure 8).

    A *false-positive* leads the profile away from the items, a *false-negative* towards them. The prose under Eq. 22
    swaps the two; the figures' own text is right.
    """

    profile: str
    items: tuple[str, ...]
    kind: Literal["false-positive", "false-negative"]


@dataclass(frozen=True)
class UserView:
    """LLMHNI's question about a disputed pair from the user's side: the profile against the item; High, Mid or Low."""

    profile: str
    item: str


@dataclass(frozen=True)
class ItemView:
    """The same from the items' side: what the user likes best against the item. ``items`` are the best first."""

    items: tuple[str, ...]
    item: str


Request = Summarize | Score | ScoreTogether | Appraise | Revise | UserView | ItemView
Listed = ScoreTogether | Appraise  # those whose answer is a score for each of some items
LEVELS = ("Low", "Mid", "High")  # the answers to the two views


@dataclass(frozen=True)
class Answer:
    """A score (a number), a text or a level (str), or else the reason why there is none; exactly one of the two is set.

    The value of a ``Listed`` request is a score for each item, None where the answer has none; ``lacks`` then says what it
    lacks. ``p_mass`` is the probability that the model gave to legal answers, where the score is its mean over them.

    Raises ValueError when both or neither are given.
    """

    value: str | int | float | tuple[float | None, ...] | None = None
    error: str | None = None
    p_mass: float | None = None
    lacks: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.error is None):
            raise ValueError("an Answer has either a value or an error")


class Provider(Protocol):
    """Something that answers requests."""

    @property
    def name(self) -> str:
        """What the records' ``model`` field says, such as ``lexical/1``."""

    @property
    def notice(self) -> str | None:
        """One line that the command prints on stderr before the first answer, if there is something to say."""

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Give one answer per request, in their order, while the requests are still coming."""


class TextProvider(Protocol):
    """Something that turns texts into vectors: a Provider whose requests are texts, and whose answers' values are vectors
    as ``vectors.pack`` writes them."""

    @property
    def name(self) -> str:
        """As a Provider's."""

    @property
    def notice(self) -> str | None:
        """As a Provider's."""

    def answer(self, requests: Iterable[str]) -> Iterator[Answer]:
        """Give one vector per text, in their order."""


def missing_text(request: Request) -> str | None:
    """Say which text of a request is blank; such a request gets an error, from any provider, and is never sent."""
    if isinstance(request, Score | Revise | UserView) and is_blank(request.profile):
        return "the profile is empty"
    if isinstance(request, Score | UserView | ItemView) and is_blank(request.item):
        return "the item text is empty"
    if isinstance(request, Summarize | Revise | ItemView) and all(map(is_blank, request.items)):
        return "all item texts are empty"
    if isinstance(request, Listed) and any(map(is_blank, request.items)):
        return "an item text is empty"
    if isinstance(request, ScoreTogether):
        known = (request.known,) if isinstance(request.known, str) else request.known
        return "what is known of the user is empty" if all(map(is_blank, known)) else None
    return None


def is_blank(text: str) -> bool:
    """Whether nothing of a text would stand in a prompt."""
    return not clean(text, 1)
