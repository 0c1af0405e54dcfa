#!/usr/bin/env python3
"""Stands in for `llmhd score`: the more words of the profile an item's text has, the higher, from 1 to 10."""

import json
import sys


def texts(path, key):
    return {str(r[key]): set(r["profile"].lower().split()) for r in map(json.loads, open(path, encoding="utf-8"))}


profiles, items = texts(sys.argv[1], "user"), texts(sys.argv[2], "item")
for row in map(json.loads, sys.stdin):
    if row["candidate"]:
        taste = profiles[str(row["user"])]
        row["score"] = min(10, 1 + len(taste & items[str(row["item"])]))
        row["negative_score"] = min(10, 1 + len(taste & items[str(row["negative"])]))
    print(json.dumps(row))
