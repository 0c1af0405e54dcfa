"""MovieLens folders as GroupLens ships them: 100k, 1m (also 10m), latest (also 20m, 25m, 32m)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmhd_tools.errors import InputError
from llmhd_tools.importers.cells import Form, records
from llmhd_tools.importers.rows import Rows
from llmhd_tools.importers.source import Interactions, Source
from llmhd_tools.importers.text import BadRows, Lines, need_folder

# The 19 flags of 100k's u.item, in the order of its u.genre.
# fmt: off
_GENRES_100K = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]
# fmt: on


def read(path: Path, *, bad: BadRows | None = None) -> Source:
    """Ratings with their times, and one item record ``{"item", "title", "genres", "profile"}`` per film.

    Which release it is shows in its files: ``u.data`` (100k), ``ratings.dat`` (1m), ``ratings.csv`` (latest). Titles
    are Latin-1 where they are not UTF-8. 100k's ready-made ``u1.base``… folds are not read. Without a film file there
    are no items. Bad rows of ratings go to ``bad``; a film file that is not as it should be is an InputError.
    """
    need_folder(path)
    for ratings, form, movies, films in (
        ("u.data", Form("\t", header=False, quote=None), "u.item", _films_100k),
        ("ratings.dat", Form("::", header=False, quote=None), "movies.dat", _films_1m),
        ("ratings.csv", Form(), "movies.csv", _films_csv),
    ):
        if (path / ratings).exists():
            lines = Lines(path / ratings, bad=bad)
            return Source(_ratings(lines, form), items=_items(path / movies, films), told=lines.told())
    raise InputError("no u.data, ratings.dat or ratings.csv here; is it a MovieLens folder?", where=path)


def profile(title: str, genres: list[str]) -> str:
    """One sentence from what MovieLens says about a film."""
    if not genres:
        return f"{title} is a film."
    listed = genres[0] if len(genres) == 1 else ", ".join(genres[:-1]) + " and " + genres[-1]
    return f"{title} is a film in the genre{'s' if len(genres) > 1 else ''} {listed}."


def _ratings(lines: Lines, form: Form) -> Interactions:
    rows = Rows(lines, {"rating": "rating", "timestamp": "timestamp"})
    names = ("userId", "movieId", "rating", "timestamp") if form.header else "1234"
    for row in records(lines, names, form):
        rows.add(*row)
    return rows.done()


def _items(path: Path, films: Any) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = Lines(path, latin1=True)
    items: dict[str, dict[str, Any]] = {}
    for item, title, genres in films(lines):
        if not item.strip() or item in items:
            raise lines.error(f"film id '{item}' is there twice" if item.strip() else "empty film id")
        items[item] = {"item": item, "title": title, "genres": genres, "profile": profile(title, genres)}
    return list(items.values())


def _films_100k(lines: Lines) -> Iterator[tuple[str, str, list[str]]]:
    for line in lines:
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("|")
        flags = cells[-19:]
        if len(cells) != 5 + 19 or not set(flags) <= {"0", "1"}:
            raise lines.error("not a u.item row (id|title|released|video|url| and 19 flags)")
        yield cells[0], cells[1], [g for g, on in zip(_GENRES_100K, flags, strict=True) if on == "1" and g != "unknown"]


def _films_1m(lines: Lines) -> Iterator[tuple[str, str, list[str]]]:
    for line in lines:
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("::")
        if len(cells) < 3:
            raise lines.error("not a movies.dat row (id::title::genres)")
        yield cells[0], "::".join(cells[1:-1]), _genres(cells[-1])


def _films_csv(lines: Lines) -> Iterator[tuple[str, str, list[str]]]:
    for item, title, genres in records(lines, ("movieId", "title", "genres"), Form()):
        yield item, title, _genres(genres)


def _genres(text: str) -> list[str]:
    return [genre for genre in text.split("|") if genre and genre != "(no genres listed)"]
