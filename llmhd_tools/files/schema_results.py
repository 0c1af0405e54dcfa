"""The kinds of file that are made for people: lists for users, users and items to look at, what was tried."""

from __future__ import annotations

from llmhd_tools.files.fields import Field, Kind

RESULTS: tuple[Kind, ...] = (
    Kind(
        "recommendations", 1, "What to show users, best first; or what is like an item.",
        (
            Field("user", "user", "for whom; absent where `like` stands", False),
            Field("like", "item", "of what the items are the like", False),
            Field("item", "item", "the item"),
            Field("rank", "int", "place in the list, from 1", low=1),
            Field("score", "float32", "the model's score; compares within one user (or `like`) only"),
            Field("title", "text", "the item's title, or how its text begins", False),
            Field("because", "list", "the user's own items that it follows from: `item`, `title`, and either `part`, what "
                  "it adds to the score, or `likeness`, a cosine of vectors, which is no cause", False),
        ),
        "`recommend`", "you", may_be_empty=True,
    ),
    Kind(
        "doubts", 1, "Users, or items, by how odd their rows look, the oddest first.",
        (
            Field("user", "user", "the user; absent where items are told", False),
            Field("item", "item", "the item; absent where users are told", False),
            Field("rows", "int", "how many rows are of this user or item", low=1),
            Field("noise_score", "float", "mean of their noise scores, each a rank from 0 to 1", low=0, high=1),
            Field("noise_share", "float", "share of them that is called noise", low=0, high=1),
            Field("z", "float", "how far that mean lies above 0.5, in standard deviations of a mean of rows at random"),
            Field("known_noise", "float", "share of them that is known to be noise", False, low=0, high=1),
            Field("title", "text", "the item's title, or how its text begins", False),
        ),
        "`denoise --by`", "you",
    ),
    Kind(
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
    ),
)  # fmt: skip
