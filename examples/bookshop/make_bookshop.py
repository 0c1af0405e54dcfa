#!/usr/bin/env python3
"""Make a small bookshop whose noise is known: items with texts, clean and noisy interactions, and the answer key.

Real logs never say which click was a mistake; here every train row is one of three kinds, written to truth.jsonl:

- easy: a book of the reader's main genre. Many readers share it, so a recommender learns it at once.
- hard: a book of the reader's second genre. The shop rarely showed that shelf, so other readers say little about this
  one's liking for it and its training loss stays as high as that of noise; the texts still vouch for it.
- noise: a book of neither genre: a misclick (any book) or a fashion (a bestseller everybody picks up once).

A denoiser that looks at losses alone throws out hard rows with the noise; one that also reads the texts need not.
Valid and test rows are clean and drawn from the same tastes, without the shop's shelves in between.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

# genre -> theme -> words. Words recur across genres on purpose (ship, court, letters, storm, ...): a single word
# never settles the genre, only the whole text does.
POOLS = {
    "mystery": {
        "detective": "detective alibi suspect inspector clue confession motive witness letters",
        "heist": "thief vault forger diamond getaway gang double-cross museum night",
        "spy": "agent cipher defector embassy surveillance traitor dossier train border",
        "village crime": "parish gossip poison vicar inheritance garden secrets neighbours tea",
    },
    "fantasy": {
        "dragons": "dragon rider hoard flame mountain oath egg wings storm",
        "court magic": "sorcerer throne court intrigue spell heir crown ritual letters",
        "quest": "quest sword prophecy companions forest ruins map exile journey",
        "fairy folk": "faerie bargain changeling moonlight enchanted forest thorn riddle garden",
    },
    "science fiction": {
        "space opera": "starship admiral fleet empire wormhole mutiny planet battle crew ship",
        "machines": "android algorithm consciousness circuit rebellion laboratory memory creator city",
        "first contact": "alien signal linguist telescope visitors orbit translation silence discovery",
        "future ruin": "drought survivors bunker plague scavengers wasteland radio convoy border",
    },
    "romance": {
        "small town": "bakery sweetheart homecoming wedding festival neighbours kiss diner garden",
        "ballroom": "duke ballroom scandal courtship governess waltz estate heir letters",
        "workplace": "rivals office deadline banter promotion flirtation city colleague kiss",
        "second chance": "divorce reunion forgiveness longing seaside summer memory heartbreak train",
    },
    "history": {
        "war": "soldier trench regiment battle siege nurse front letters courage",
        "sea voyages": "captain sail harbour mutiny cargo storm island ship crew",
        "royal courts": "queen court ambassador plot marriage crown treason chamber throne",
        "working lives": "mill strike union factory tenement wages pit weaver city",
    },
    "nature": {
        "mountains": "summit glacier climber ridge rope avalanche mountain storm hut",
        "gardens": "seeds soil pruning orchard seasons garden compost bees tea",
        "wild animals": "wolf otter migration nest tracks forest hide species discovery",
        "long walks": "footpath boots pilgrim horizon map weather journey solitude island",
    },
}
THEMES = 4  # per genre
SETTINGS = [
    "a harbour town", "the far north", "a crowded capital", "a walled garden", "a lonely island", "an old university",
    "a border valley", "a mountain pass", "a grand hotel", "a drowned country", "a market street", "a night train",
]  # fmt: skip
TONES = ["quiet", "wry", "bleak", "tender", "brisk", "gothic", "hopeful", "playful", "unsettling", "lyrical"]
SHAPES = ["novel", "tale", "chronicle", "story", "account", "portrait"]
OPENINGS = ["A {tone} {shape} set in {place}.", "{Place}: a {tone} {shape}.", "A {tone} {shape} that leads to {place}."]
MIDDLES = ["It is full of {a}, {b} and {c}.", "It begins with {a} and {b} and ends in {c}.", "Expect {a}, {b} and {c}."]
CLOSINGS = ["For readers of {genre} who look for {d} and {e}.", "Shelved under {genre}, close to {d} and {e}."]
OPTIONS = [
    ("seed", int, 1, "seed of everything random"),
    ("users", int, 400, "readers"),
    ("items", int, 300, "books"),
    ("rows", int, 18, "clean train rows a reader, give or take 4"),
    ("held-out", int, 5, "test rows, and as many valid rows, a reader"),
    ("minor", float, 0.3, "share of the second genre in a reader's taste"),
    ("shown", float, 0.5, "how often the shop shows the second genre, relative to how much it is liked"),
    ("noise", float, 0.18, "share of noise in train"),
    ("fashion", float, 0.5, "share of fashions in the noise; the rest are misclicks"),
    ("popularity", float, 0.5, "how strongly sales steer clean choices (0: not at all)"),
    ("blur", float, 0.05, "share of a text's words, and of its genre names, taken from any book"),
]


def make_items(rng: np.random.Generator, n: int, blur: float) -> tuple[list[dict], np.ndarray]:
    """Return the book records and the theme number of each book; themes get equally many books, in random order."""
    themes = [(genre, words.split()) for genre, pool in POOLS.items() for words in pool.values()]
    theme_of = rng.permutation(np.arange(n) % len(themes))
    records = []
    for number, theme in enumerate(theme_of, start=1):
        genre, words = themes[theme]
        title, profile = write_text(rng, genre, words, themes, blur)
        records.append({"item": f"b{number:03d}", "title": title, "profile": profile})
    return records, theme_of


def write_text(rng: np.random.Generator, genre: str, words: list[str], themes: list, blur: float) -> tuple[str, str]:
    """Return a title and a profile; each theme word gives way to any book's word with probability ``blur``."""
    drawn = [str(word) for word in rng.choice(words, 7, replace=False)]
    stray = rng.random(7) < blur
    for k in np.flatnonzero(stray):
        drawn[k] = str(rng.choice(themes[rng.integers(len(themes))][1]))
    label = genre if rng.random() > blur else list(POOLS)[rng.integers(len(POOLS))]
    place = str(rng.choice(SETTINGS))
    facts = {"tone": rng.choice(TONES), "shape": rng.choice(SHAPES), "genre": label}
    facts |= {"place": place, "Place": place[0].upper() + place[1:]} | dict(zip("abcde", drawn[:5], strict=True))
    sentences = [str(rng.choice(pool)).format(**facts) for pool in (OPENINGS, MIDDLES, CLOSINGS)]
    return f"The {drawn[5].title()} and the {drawn[6].title()}", " ".join(sentences)


def make_tastes(rng: np.random.Generator, users: int, minor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return each reader's main and second genre (users, 2) and the liking for every theme (users, themes).

    Likings sum to one: ``1 - minor`` for the themes of the main genre, ``minor`` for those of the second, split by a
    Dirichlet draw, so that two readers of one genre still differ.
    """
    genres = np.array([rng.choice(len(POOLS), 2, replace=False) for _ in range(users)])
    likings = np.zeros((users, len(POOLS), THEMES))
    for rank, share in enumerate((1 - minor, minor)):
        likings[np.arange(users), genres[:, rank]] = share * rng.dirichlet(np.full(THEMES, 0.7), size=users)
    return genres, likings.reshape(users, -1)


def draw(rng: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """Draw ``count`` different items with chances in proportion to ``weights``; never one of weight zero."""
    with np.errstate(divide="ignore"):
        keys = np.log(weights) + rng.gumbel(size=len(weights))
    best = np.argsort(-keys, kind="stable")[:count]
    return best[weights[best] > 0]


def make_rows(rng: np.random.Generator, theme_of: np.ndarray, options: argparse.Namespace) -> dict[str, list]:
    """Return the rows (user, item, kind) of each split.

    The order matters: valid and test are drawn by taste alone, train from what is left as the shop shows it (the
    second genre ``shown`` times as often as it is liked), and noise last, from genres that the reader does not like.
    """
    genres, likings = make_tastes(rng, options.users, options.minor)
    genre_of = theme_of // THEMES
    bestseller = 1 / rng.permutation(np.arange(1, options.items + 1))
    rows = {"train": [], "valid": [], "test": []}
    for user, (main, second) in enumerate(genres):
        liked = likings[user, theme_of] * bestseller**options.popularity
        for split in ("test", "valid"):
            taken = draw(rng, liked, options.held_out)
            rows[split] += [(user, item, "clean") for item in taken]
            liked[taken] = 0
        shown = np.where(genre_of == second, options.shown, 1.0) * liked
        clean = draw(rng, shown, rng.integers(options.rows - 4, options.rows + 5))
        rows["train"] += [(user, item, "easy" if genre_of[item] == main else "hard") for item in clean]
        foreign = ~np.isin(genre_of, (main, second)) * bestseller
        rows["train"] += [(user, item, "noise") for item in draw_noise(rng, foreign, len(clean), options)]
    rows["train"] += place_unread(rows, genres, likings, theme_of)
    return {split: sorted(records) for split, records in rows.items()}  # sorted, so that order gives no kind away


def draw_noise(rng: np.random.Generator, foreign: np.ndarray, clean: int, options: argparse.Namespace) -> np.ndarray:
    """Draw a reader's noise: fashions by how well a foreign book sells, then misclicks among the rest, all alike.

    ``foreign`` is the sales weight of every book, zero where the reader might like it. With chance n/(1-n) for each
    clean row, noise makes up the share n of all rows; its number differs from reader to reader as carelessness does.
    """
    count = rng.binomial(clean, options.noise / (1 - options.noise))
    fashions = draw(rng, foreign, rng.binomial(count, options.fashion))
    rest = (foreign > 0).astype(float)
    rest[fashions] = 0
    return np.concatenate([fashions, draw(rng, rest, count - len(fashions))])


def place_unread(rows: dict[str, list], genres: np.ndarray, likings: np.ndarray, theme_of: np.ndarray) -> list:
    """Return one more train row for every book without any, with the reader who likes it best and does not hold it."""
    held = {(user, item) for records in rows.values() for user, item, _ in records}
    read = {item for _, item, _ in rows["train"]}
    added = []
    for item in sorted(set(range(len(theme_of))) - read):
        fans = np.argsort(-likings[:, theme_of[item]], kind="stable")
        fan = next(user for user in fans if (user, item) not in held)
        main, second = genres[fan]
        kinds = {main: "easy", second: "hard"}
        added.append((fan, item, kinds.get(theme_of[item] // THEMES, "noise")))
    return added


def write_jsonl(path: Path, records: list[dict]) -> None:
    """Write records as JSONL under another name first, so that a file at its final name is whole."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode())
    os.replace(part, path)


def make_bookshop(folder: Path, options: argparse.Namespace) -> None:
    """Write items.jsonl, train.jsonl, valid.jsonl, test.jsonl and truth.jsonl into ``folder``."""
    texts, clicks = np.random.default_rng(options.seed).spawn(2)  # apart, so that --blur changes no row
    items, theme_of = make_items(texts, options.items, options.blur)
    rows = make_rows(clicks, theme_of, options)
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "items.jsonl", items)

    def pair(user: int, item: int) -> dict:
        return {"user": f"reader-{user + 1:03d}", "item": items[item]["item"]}

    for split, records in rows.items():
        flagged = [
            pair(user, item) | {"noise": kind == "noise", "hard": kind == "hard"} for user, item, kind in records
        ]
        write_jsonl(folder / f"{split}.jsonl", flagged)
    write_jsonl(folder / "truth.jsonl", [pair(user, item) | {"kind": kind} for user, item, kind in rows["train"]])


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; refuse sizes at which some reader would run out of books."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the five files go; made if missing")
    for name, kind, default, text in OPTIONS:
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default: {default})")
    options = parser.parse_args(argv)
    needed = len(POOLS) * (2 * options.held_out + options.rows + 4) // 2  # a reader likes two genres' books
    for name in ("minor", "shown", "noise", "fashion", "blur"):
        if not 0 <= getattr(options, name) <= (0.5 if name == "noise" else 1):
            parser.error(f"--{name} must be in 0..{0.5 if name == 'noise' else 1}")
    if options.users < 20 or options.rows < 5 or options.held_out < 1:
        parser.error("--users must be 20 or more, --rows 5 or more, --held-out 1 or more")
    if options.items < needed:
        parser.error(f"--items must be {needed} or more for --rows {options.rows} and --held-out {options.held_out}")
    return options


if __name__ == "__main__":
    arguments = parse()
    make_bookshop(arguments.folder, arguments)
