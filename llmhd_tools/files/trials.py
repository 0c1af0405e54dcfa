"""The kind of file that a tuning leaves."""

from __future__ import annotations

from llmhd_tools.files.fields import Field, Kind

TRIALS = Kind(
    "trials",
    1,
    "The trials of a tuning, in the order tried; what each tried stands beside, by name.",
    (
        Field("trial", "int", "the trial's number, from 1; its run lies in trial-N", low=1),
        Field("metric", "text", "what was measured on valid: recall, ndcg, …"),
        Field("k", "int", "length of the ranked list, where the metric has one", False, low=1),
        Field("value", "float", "the value; of a run, at its best epoch", False),
        Field("epoch", "int", "that epoch", False, low=0),
        Field("failed", "text", "why the trial has no value", False),
        Field("best", "bool", "true: the best of all, once all are done", False),
    ),
    "`tune`",
    "you",
    forms=("text",),
)
