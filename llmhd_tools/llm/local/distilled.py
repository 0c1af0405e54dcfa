"""The provider that imitates: scores of a file that ``distil`` made, by the ids of user and item. No language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.llm.requests import Answer, Request, Score

LOW, HIGH = 1.0, 10.0


class Distilled:
    """A Provider for ``Score`` alone: the dot product of the pair's rows, kept within 1 to 10."""

    def __init__(self, path: str) -> None:
        self._scorer = read_tensors(path, "embeddings")
        told = self._scorer.meta.get("distilled")
        if not isinstance(told, dict):
            raise InputError("holds embeddings whose products are no scores; `llmhd distil` makes some", where=path)
        self.name = f"distilled/{told.get('model')}"
        self.notice = (
            f"{path} imitates {told.get('pairs')} scores by {told.get('model')}; a linear model, not a language model"
        )

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer each request at once. Raises UsageError for anything but a score of a pair whose ids are known."""
        for request in requests:
            if not isinstance(request, Score) or request.ids is None:
                raise UsageError("`llm` distilled:FILE scores pairs by their ids and answers nothing else")
            yield self._score(*request.ids)

    def _score(self, user: str, item: str) -> Answer:
        for side, name, ids in (("user", user, self._scorer.users), ("item", item, self._scorer.items)):
            if name not in ids.index:
                return Answer(error=f"{side} '{name}' is unknown to the distilled scorer")
        rows = self._scorer.arrays
        one = rows["user"][self._scorer.users.index[user]].astype(float)
        other = rows["item"][self._scorer.items.index[item]].astype(float)
        return Answer(round(min(max(float(one @ other), LOW), HIGH), 4))
