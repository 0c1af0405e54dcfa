"""Judging inside the training step: prune, score and decide, one batch at a time (LLMHD as printed; llmhd.md §9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.hardness import Thresholds
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.core.sampling import Samples
from llmhd_tools.files.tables import Table, concatenate
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider
from llmhd_tools.stages.dataset import Training, align
from llmhd_tools.stages.judge import decide
from llmhd_tools.stages.prune import prune
from llmhd_tools.stages.samples import table_of
from llmhd_tools.stages.score import score
from llmhd_tools.stages.texts import digest_of


@dataclass(frozen=True)
class Live:
    """What the steps of one epoch are judged with; ``choice`` holds the options of ``prune`` by name.

    Without a ``provider`` nothing is scored, so no noisy row is hard.
    """

    history: Sequence[Tensors]
    rate: NoiseRate
    choice: dict[str, Any]
    profiles: Mapping[str, str]
    items: Mapping[str, str]
    provider: Provider | None

    def params(self) -> dict[str, Any]:
        """The settings, for the record of how a file was made."""
        return {"live": True, **asdict(self.rate), **self.choice, "llm": self.provider.name if self.provider else None}

    def inputs(self) -> dict[str, str | list[str]]:
        """Digests of what counts, likewise."""
        texts = {"profiles": digest_of(self.profiles), "items": digest_of(self.items)} if self.provider else {}
        return {"history": [epoch.digest() for epoch in self.history], **texts}


class Judge:
    """Says of each batch of one epoch which samples to keep: what ``Trainer.train`` asks in each step."""

    def __init__(
        self, live: Live, training: Training, samples: Samples, step: int, rule: str, thresholds: Thresholds
    ) -> None:
        """``step`` is T of the first batch."""
        self.live, self.training, self.samples, self.step = live, training, samples, step
        self.rule, self.thresholds = rule, thresholds
        self.bounds = samples.bounds()
        self.history = align(live.history, training.users, training.items)
        self._judged: list[Table] = []
        self._verdicts: list[Table] = []

    def __call__(self, number: int, loss: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which samples of batch ``number`` to keep, (b,) bool, given their losses (b,)."""
        live, start, step = self.live, int(self.bounds[number]), self.step + number
        batch = self.samples.part(start, int(self.bounds[number + 1]))
        noisy = prune(table_of(batch, loss, self.training), self.history, live.rate, step, **live.choice)
        judged = self._score(noisy)
        keep, verdicts = decide(judged, batch, step, self.rule, self.thresholds)
        judged.columns["row"] = judged["row"] + start
        judged.columns["batch"] = judged["batch"] + number
        self._judged.append(judged)
        self._verdicts.append(verdicts)
        return keep

    def _score(self, noisy: Table) -> Table:

        if self.live.provider is None:
            return Table("judged", noisy.columns, noisy.users, noisy.items)
        return score(noisy, self.live.profiles, self.live.items, self.live.provider)

    def record(self) -> tuple[Table, Table]:
        """The noisy rows of all batches, judged, and what became of them; ``row`` counts the samples trained on."""
        return concatenate(self._judged), concatenate(self._verdicts)
