"""What a reader should not miss in the facts of a folder, in words."""

from __future__ import annotations

import re

from llmhd_tools.files.jsonl import Record

CHANCE = 0.55  # an AUC up to this says nothing
VOUCHED = 0.9  # a model that lets pass this share of what it was asked tells little apart
_EASE = re.compile(r"(?<![a-z])ease(?![a-z])", re.IGNORECASE)  # in a run's name


def alerts(found: Record) -> list[str]:
    """Sentences, in the order of their subjects: runs, then issues."""
    told = [text for run in found["runs"] for text in _of_run(run)]
    told += _of_methods(found["runs"])
    told += [text for one in found["issues"] for text in _of_issue(one)]
    return told + [f"Not read: {name}." for name in found["unread"]]


def _of_run(run: Record) -> list[str]:
    told = []
    if run["best_epoch"] == run["epochs"] and run["epochs"] > 1:
        told.append(f"{run['folder']}: the best epoch is the last ({run['epochs']}); more epochs may be better.")
    if not run["finished"]:
        told.append(f"{run['folder']}: is not finished; llmhd run --resume goes on with it.")
    if run["method"] in ("loss", "llmhd") and not any(run["train"].get(name) for name in ("dropped", "noisy")):
        told.append(f"{run['folder']}: nothing was dropped at its best epoch, though it denoises by {run['method']}.")
    return told


def _of_methods(runs: list[Record]) -> list[str]:
    """Runs that denoise, beside the best plain one by the first metric that both were tested on."""
    told = []
    plain = [run for run in runs if run["method"] == "none" and run["test"]]
    for run in runs:
        for metric in [m for m in run["test"] if m.startswith("ndcg")][-1:]:
            best = max((p["test"][metric] for p in plain if metric in p["test"]), default=None)
            if run["method"] != "none" and best is not None and best >= run["test"][metric]:
                value = run["test"][metric]
                told.append(f"{run['folder']}: plain training is as good ({metric} {best:.4f}, here {value:.4f}).")
            ease = [p["test"][metric] for p in runs if _EASE.search(p["name"]) and metric in p["test"]]
            if ease and not _EASE.search(run["name"]) and run["test"][metric] < max(ease):
                told.append(f"{run['folder']}: is below EASE ({metric} {max(ease):.4f}).")
    return told


def _of_issue(one: Record) -> list[str]:
    told = []
    if one["auc"] is not None and one["auc"] <= CHANCE:
        told.append(f"{one['file']}: the scores say next to nothing of the known noise here: AUC {one['auc']:.2f}.")
    if one["vouched"] is not None and one["vouched"] >= VOUCHED:
        told.append(f"{one['file']}: the model vouches for {one['vouched']:.0%} of what it was asked.")
    return told
