"""How somebody else's dataset is read, filtered and split."""

from __future__ import annotations

from dataclasses import dataclass

from llmhd_tools.settings.declare import ANY, Section, choice


@dataclass(frozen=True)
class Columns(Section):
    """What the columns of a table, or the fields of its records, are called."""

    title = "Columns"

    user: str | None = choice(None, "Column of users, where columns have names.", usual="user")
    item: str | None = choice(None, "Column of items.", usual="item")
    rating: str | None = choice(None, "Column of ratings.")
    timestamp: str | None = choice(None, "Column of times: numbers or dates.")
    weight: str | None = choice(None, "Column of weights, such as counts of plays.")
    noise: str | None = choice(
        None, "Column that marks known noise, by 1 or true or by VALUE.", metavar="COLUMN[=VALUE]"
    )
    time_format: str | None = choice(
        None,
        "How dates are written, as in %d/%m/%Y %H:%M; ISO dates and all that leave no doubt need none.",
        metavar="FORMAT",
        needs=({"timestamp": ANY},),
    )


@dataclass(frozen=True)
class Form(Section):
    """How a table of text is written."""

    title = "Form of a table of text"

    delimiter: str | None = choice(None, "Between columns.", metavar="CHARACTERS", usual="a comma, a tab")
    quote: str | None = choice(
        None, "Around cells, or none.", metavar="CHARACTER", usual='" for CSV, none between tabs'
    )
    escape: str | None = choice(None, "Before a quote or delimiter that is meant as such.", metavar="CHARACTER")
    header: bool = choice(True, "Without a header the columns are called 1, 2, 3.")
    encoding: str | None = choice(None, "Such as utf-16, cp1252, latin-1.", metavar="NAME", usual="utf-8")


@dataclass(frozen=True)
class Texts(Section):
    """Texts of the items, in a table of their own."""

    title = "Item texts"
    needs = ({"texts": ANY},)

    texts_item: str | None = choice(None, "Column of items there.", usual="--item", strict=True)
    text: tuple[str, ...] = choice(
        (), "Column of texts there; repeat it to join several.", usual="profile", strict=True
    )
    titles: str | None = choice(None, "Column of titles there.", words="--title", strict=True)
    texts_delimiter: str | None = choice(
        None, "Between its columns.", metavar="CHARACTERS", usual="--delimiter", strict=True
    )
    texts_encoding: str | None = choice(None, "Its encoding.", metavar="NAME", usual="--encoding", strict=True)


@dataclass(frozen=True)
class Filtering(Section):
    """Which rows stay: of repeated pairs one, then no low ratings, then the k-core."""

    title = "Rows"

    skip_bad: bool = choice(False, "Leave out rows that cannot be read, with a count, and go on.", words="--skip-bad")
    repeats: str = choice(
        "last",
        "Which row of a repeated pair stays: last or first, by time, else in the file; weight: the last, with the number "
        "of rows (or the sum of --weight) as its weight.",
        of=("last", "first", "weight"),
    )
    min_rating: float | None = choice(None, "Keep ratings from here up.")
    k_core: int = choice(1, "Drop users and items with fewer rows, repeatedly.", low=1)


@dataclass(frozen=True)
class Splitting(Section):
    """Which rows are held out, of a source without a split of its own."""

    title = "Split"

    split: str = choice("3:1:1", "Shares of train:valid:test, leave-one-out (of each user one each), or none.")
    split_by: str | None = choice(
        None,
        "global (drawn; every user and item keeps a train row), user (drawn from each user's), time (each user's newest "
        "held out) or global-time (the newest of all held out).",
        of=("global", "user", "time", "global-time"),
        usual="global; for leave-one-out time, or user without times",
    )
    split_at: str | None = choice(
        None, "The first day (or time) of valid and of test, for all users.", metavar="DATE[,DATE]"
    )
    seed: int = choice(0, "Seed of all random draws.", low=0)
