"""Some users of a dataset with its own split, as tab-separated lines for ``llmhd import tsv``.

    subset.py USERS SEED FILE... > some.tsv

Takes all interactions of USERS users, drawn with SEED, from the JSONL files of all splits: a k-core and a new split of
what is left then give a dataset that is smaller but not sparser.
"""

from __future__ import annotations

import json
import random
import sys


def main() -> None:
    """Print the header and the rows."""
    count, seed, *paths = sys.argv[1:]
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            rows += [(str(row["user"]), str(row["item"])) for row in map(json.loads, lines)]
    users = sorted({user for user, _ in rows})
    chosen = set(random.Random(int(seed)).sample(users, min(int(count), len(users))))
    print("user\titem")
    print("\n".join(f"{user}\t{item}" for user, item in rows if user in chosen))


if __name__ == "__main__":
    main()
