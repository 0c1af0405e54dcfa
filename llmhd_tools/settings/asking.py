"""How a language model is asked about pairs and items: how many in a call, how often, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.settings.declare import ANY, Section, choice


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


_CASCADE = ({"cascade": ANY},)


@dataclass(frozen=True)
class Cascading(Section):
    """How deep into the suspicious pairs a model is asked."""

    title = "Cascade"
    needs = _CASCADE

    cascade: float | None = choice(
        None,
        "Ask only as deep into the suspects as this share of all that would score low lies; the others stay uncut.",
        low=0.01,
        high=0.999,
        metavar="RECALL",
        usual="ask about all that are cut",
        needs=({},),
    )
    delta: float = choice(
        0.05, "The chance at which the pairs asked about may hold less than that.", low=1e-6, high=0.5
    )
    label_budget: int = choice(300, "Pairs drawn at random to find out how deep that is.", low=10)
    noise_below: float = choice(5, "A pair is found to be noise where it scores this or less.", low=1, high=10)


@dataclass(frozen=True)
class Appraising(Section):
    """How items are appraised: each once, several a call."""

    title = "Questions"

    together: int = choice(20, "Items in a call.", low=1, high=200)
    shown: str = choice(
        "both", "What is shown of an item: its title, its text (profile), or both.", of=("both", "title", "profile")
    )
    repeat: int = choice(1, "Ask so many times and take the mean; `spread` is the standard deviation.", low=1, high=50)
