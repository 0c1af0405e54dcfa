"""How well a provider tells books that readers chose from popular books that they did not choose.

    llmhd import rlmrec /path/to/amazon-book -o data
    python examples/amazon-book/relevance.py data --llm lexical --llm embed:/path/to/all-MiniLM-L6-v2

For pairs drawn from the test split, each reader's true book meets one drawn by popularity from those that the reader
has not touched in any split. Prints the AUC of the score over all pairs (0.5 is chance), the share of readers whose
true book scores higher (ties count half), and scores a second.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from llmhd_tools.files.tables import read_table
from llmhd_tools.llm.open import open_local
from llmhd_tools.llm.requests import Score
from llmhd_tools.stages.texts import read_texts


def draw(folder: str, pairs: int, seed: int) -> list[tuple[str, str, str]]:
    """(user, true item, popular item) as ids."""
    tables = [read_table(f"{folder}/{name}.jsonl", "interactions") for name in ("train", "valid", "test")]
    columns = [(t.users.take(t["user"]), t.items.take(t["item"])) for t in tables]
    touched = {(str(u), str(i)) for users, items in columns for u, i in zip(users, items, strict=True)}
    popular, test = [str(i) for i in columns[0][1]], list(zip(*columns[2], strict=True))
    random = np.random.default_rng(seed)
    drawn = []
    for row in random.permutation(len(test))[:pairs]:
        user, true = map(str, test[row])
        other = true
        while (user, other) in touched:
            other = popular[random.integers(len(popular))]
        drawn.append((user, true, other))
    return drawn


def auc(true: np.ndarray, false: np.ndarray) -> float:
    """The chance that a true pair scores higher than a false one; ties count half."""
    order = np.sort(false)
    return float((np.searchsorted(order, true, "left") + np.searchsorted(order, true, "right")).mean() / 2 / len(false))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--llm", action="append", required=True)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    items, profiles = (read_texts(f"{given.data}/{name}.jsonl", name) for name in ("items", "profiles"))
    drawn = [row for row in draw(given.data, given.pairs, given.seed) if profiles.get(row[0]) and items.get(row[1])]
    print("| provider | AUC | true book higher | pairs | scores a second |\n|---|---|---|---|---|")
    for spec in given.llm:
        provider = open_local(spec, item_texts=list(items.values()))
        requests = [Score(profiles[user], items[item]) for user, *both in drawn for item in both]
        started = time.perf_counter()
        answers = [answer.value for answer in provider.answer(requests)]
        rate = len(requests) / (time.perf_counter() - started)
        scores = np.array([np.nan if value is None else value for value in answers], dtype=float).reshape(-1, 2)
        true, false = scores[~np.isnan(scores).any(axis=1)].T
        wins = float(((true > false) + 0.5 * (true == false)).mean())
        print(f"| {provider.name} | {auc(true, false):.3f} | {wins:.3f} | {len(true):,} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
