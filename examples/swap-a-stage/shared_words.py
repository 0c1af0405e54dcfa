#!/usr/bin/env python3
"""Stands in for `llmhd score - --profiles FILE --items FILE`: the more words profile and text share, the higher."""

import json
import sys


def texts(option, key):
    with open(sys.argv[sys.argv.index(option) + 1], encoding="utf-8") as file:
        return {str(r[key]): set(r["profile"].lower().split()) for r in map(json.loads, file)}


profiles, items = texts("--profiles", "user"), texts("--items", "item")
for row in map(json.loads, sys.stdin):
    if row["candidate"]:
        taste = profiles[str(row["user"])]
        row["score"] = min(10, 1 + len(taste & items[str(row["item"])]))
        row["negative_score"] = min(10, 1 + len(taste & items[str(row["negative"])]))
    print(json.dumps(row))
