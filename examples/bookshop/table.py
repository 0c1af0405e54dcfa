"""Compare finished runs: the demo's last table.

Usage: table.py NAME=FOLDER... ; reads each FOLDER/metrics.jsonl (``llmhd run --test --noise``) and prints Markdown.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

COLUMNS = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")


def row(name: str, folder: str) -> list[str]:
    """One run's test metrics at its best epoch; of all its epochs, the noisy share of what it dropped and, on average, the
    share of truly hard rows that it kept among those that looked noisy."""
    with (Path(folder) / "metrics.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    test = {f"{r['metric']}@{r['k']}": r["value"] for r in records if r["split"] == "test"}
    dropped = {r["epoch"]: r["value"] for r in records if r["metric"] == "dropped"}
    precision = {r["epoch"]: r["value"] for r in records if r["metric"] == "dropped-precision"}
    total = sum(dropped.values())
    noisy = sum(precision[epoch] * count for epoch, count in dropped.items() if epoch in precision)
    epochs = max(r["epoch"] for r in records if r["split"] == "valid")
    hard = [r["value"] for r in records if r["metric"] == "hard-recall"]
    share = [f"{total / epochs:.0f}", f"{noisy / total:.2f}"] if total else ["0", "-"]
    share.append(f"{sum(hard) / len(hard):.2f}" if hard else "-")
    return [name, *(f"{test[column]:.4f}" for column in COLUMNS), *share]


def main() -> None:
    """Print the table."""
    rows = [["method", *COLUMNS, "dropped an epoch", "truly noise", "hard kept"]]
    rows += [row(*argument.split("=", 1)) for argument in sys.argv[1:]]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for line in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")


if __name__ == "__main__":
    main()
