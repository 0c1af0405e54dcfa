#!/usr/bin/env python3
"""Stands in for `llmhd score`: a scorer that knows the injected noise, and errs as often as it is told to.

    oracle.py MARKED-TRAIN ERROR SEED - [--profiles FILE] [--items FILE] < noisy.jsonl > judged.jsonl (or suspects)

It bounds what any scorer can do for a method. A training pair without the `noise` mark scores 10, one with it 1, and a
pair that is not in training 3: nobody knows. The ERROR share of all pairs, drawn once for good by SEED, is misjudged: 10
instead of 1 and 3, 1 instead of 10. Usable as SCORE= under Make and as `llmhd run --scorer`; the two text files that
these name are not read.
"""

from __future__ import annotations

import hashlib
import json
import sys

LIKED, UNKNOWN, NOISE = 10, 3, 1


def errs(error: float, seed: str, user: str, item: str) -> bool:
    """Whether the oracle is wrong about this pair, each time that it is asked."""
    digest = hashlib.sha256(json.dumps([seed, user, item]).encode()).digest()
    return int.from_bytes(digest[:8], "big") < error * 2**64


def main() -> None:
    """Judge the candidates on stdin."""
    marked, error, seed = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    with open(marked, encoding="utf-8") as lines:
        noisy = {(str(row["user"]), str(row["item"])): row["noise"] for row in map(json.loads, lines)}

    def score(user: str, item: str) -> int:
        known = noisy.get((user, item))
        truth = UNKNOWN if known is None else NOISE if known else LIKED
        return truth if not errs(error, seed, user, item) else NOISE if truth == LIKED else LIKED

    for row in map(json.loads, sys.stdin):
        if row.get("candidate", row.get("cut")):  # noisy rows, or suspects
            row["score"] = score(str(row["user"]), str(row["item"]))
            if "negative" in row:
                row["negative_score"] = score(str(row["user"]), str(row["negative"]))
            row["model"] = f"oracle/{error:g}"
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
