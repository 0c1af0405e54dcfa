"""Tables of some diagnoses, as Markdown.

Usage: table.py NAME/VARIANT=FILE... ; reads each FILE (``llmhd diagnose``); variants are sigmoid, raw (--link) and paper
(--held-out). Two tables a NAME, epochs down: what tells noise from the rest of the high-loss set, and Figure 1's samples.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

EPOCHS = (2, 5, 10, 20, 40)
Values = dict[tuple, float]  # by (epoch, within, group, against, measure, statistic)


def read(path: str) -> Values:
    """All values of one diagnosis."""
    names = ("epoch", "within", "group", "against", "measure", "statistic")
    with Path(path).open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return {tuple(record.get(name) for name in names): record["value"] for record in records}


def high_loss(epoch: int, found: dict[str, Values]) -> dict[str, str]:
    """Noise in the high-loss set, and AUCs of noisy against clean rows there."""
    some, auc = found["sigmoid"], (epoch, "high-loss", "noisy", "clean")
    row = {"noise": f"{some[epoch, 'high-loss', 'noisy', None, None, 'share']:.3f}"}
    row |= {measure: f"{some[(*auc, measure, 'auc')]:.2f}" for measure in ("loss", "prediction")}
    for link in ("sigmoid", "raw"):
        for name, statistic in ((f"variance, {link}", "auc"), (f"{link}, like prediction", "matched-auc")):
            row[name] = f"{found[link][(*auc, 'variance', statistic)]:.2f}"
    return row


def figure_1(epoch: int, found: dict[str, Values]) -> dict[str, str]:
    """Medians of the samples' measures, and how often a noisy sample exceeds a hard one."""
    some, paper = found["sigmoid"], found["paper"]

    def median(values: Values, group: str, measure: str) -> str:
        return f"{values[epoch, 'all', group, None, measure, 'q50']:.2g}"

    row = {f"loss: {group}": median(some, group, "loss") for group in ("easy", "hard", "noisy")}
    row["noisy, false negative"] = median(paper, "noisy", "loss")
    for measure in ("prediction", "variance"):
        row |= {f"{measure}: {group}": median(some, group, measure) for group in ("easy", "noisy")}
    auc = (epoch, "all", "noisy", "hard")
    row["noisy over hard: loss"] = f"{some[(*auc, 'loss', 'auc')]:.2f}"
    row["loss, false negative"] = f"{paper[(*auc, 'loss', 'auc')]:.2f}"
    return row | {measure: f"{some[(*auc, measure, 'auc')]:.2f}" for measure in ("prediction", "variance")}


def main() -> None:
    """Print the tables of all names."""
    found: dict[str, dict[str, Values]] = {}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        name, variant = name.rsplit("/", 1)
        found.setdefault(name, {})[variant] = read(path)
    for name, variants in found.items():
        epochs = [epoch for epoch in EPOCHS if (epoch, "all", "easy", None, None, "count") in variants["sigmoid"]]
        for title, table in (("inside the high-loss set", high_loss), ("samples of Figure 1", figure_1)):
            rows = [{"epoch": str(epoch)} | table(epoch, variants) for epoch in epochs]
            print(f"**{name}, {title}**\n")
            for cells in (rows[0], ["---"] * len(rows[0]), *(row.values() for row in rows)):
                print("| " + " | ".join(cells) + " |")
            print()


if __name__ == "__main__":
    main()
