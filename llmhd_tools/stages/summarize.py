"""Each user's taste in words, from the texts of the items they touched (T_sum)."""

from __future__ import annotations

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.files.columns import Column
from llmhd_tools.files.table import Table
from llmhd_tools.llm.requests import Answer, Provider, Summarize
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.texts import Texts, texts_of


def summarize(dataset: Dataset, items: Texts, provider: Provider) -> Table:
    """A profile of every user in the order of the training ids; ``items`` maps an id's text to its text."""
    graph, items = dataset.graph, texts_of(items)
    touched = ByUser.of(graph.user, graph.item, graph.n_users)
    texts = [items.get(str(name)) for name in dataset.items.names]
    requests: list[Summarize | None] = []
    for user in range(graph.n_users):
        own = [text for item in touched.items[touched.start[user] : touched.start[user + 1]] if (text := texts[item])]
        requests.append(Summarize(str(dataset.users.names[user]), tuple(own)) if own else None)
    answers = provider.answer(notes.progress([r for r in requests if r], "summarize"))
    none = Answer(None, "none of the user's items has a text")
    given = [next(answers) if request else none for request in requests]
    columns: dict[str, Column] = {
        "user": np.arange(graph.n_users, dtype=np.int32),
        "profile": [str(a.value or "") for a in given],
        "version": np.zeros(graph.n_users, dtype=np.int64),
        "model": [provider.name] * graph.n_users,
    }
    if any(a.error for a in given):
        columns["error"] = [a.error for a in given]
    return Table("profiles", columns, dataset.users)
