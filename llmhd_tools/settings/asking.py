"""How a language model is asked about pairs and items: how many in a call, how often, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.settings.declare import Section, choice


@dataclass(frozen=True)
class Scoring(Section):
    """How candidates are scored: one a call as printed (Figure 6), or several of a user together."""

    title = "Questions"

    together: int = choice(
        1,
        "At most so many of a user's candidates in a call: what is known of the user is paid for once.",
        low=1,
        high=200,
    )
    history_items: int = choice(
        0, "Show so many of the user's own items (--train) in the place of a profile; 0: the profile.", low=0, high=500
    )
    repeat: int = choice(1, "Ask so many times and take the mean; `spread` is the standard deviation.", low=1, high=50)


@dataclass(frozen=True)
class Appraising(Section):
    """How items are appraised: each once, several a call."""

    title = "Questions"

    together: int = choice(20, "Items in a call.", low=1, high=200)
    shown: str = choice(
        "both", "What is shown of an item: its title, its text (profile), or both.", of=("both", "title", "profile")
    )
    repeat: int = choice(1, "Ask so many times and take the mean; `spread` is the standard deviation.", low=1, high=50)
