"""Judging inside the training step: prune, score and decide, one batch at a time (LLMHD as printed; llmhd.md §9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Mask
from llmhd_tools.core.sampling import Samples
from llmhd_tools.files.table import Table, concatenate
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider
from llmhd_tools.settings import Judging, Pruning
from llmhd_tools.stages.dataset import Dataset, align
from llmhd_tools.stages.judge import Keep, Report, decide, parse_thresholds, pick_rule
from llmhd_tools.stages.prune import noisy_rows
from llmhd_tools.stages.samples import table_of
from llmhd_tools.stages.score import score
from llmhd_tools.stages.texts import Texts, digest_of, texts_of


@dataclass(frozen=True)
class Live:
    """A ``Judge`` that prunes and scores in each step, with the losses of that step itself.

    Without a ``provider`` nothing is scored, so no noisy row is hard.
    """

    history: Sequence[Tensors]
    pruning: Pruning
    judging: Judging
    seed: int
    profiles: Texts
    items: Texts
    provider: Provider | None

    def params(self, loss: str, samples: Samples) -> dict[str, Any]:
        """All choices."""
        thresholds = parse_thresholds(self.judging, self.pruning.alpha, samples.steps)
        rule = {"rule": pick_rule(self.judging.rule, loss), "thresholds": asdict(thresholds)}
        asked = {"live": True, "seed": self.seed, "llm": self.provider.name if self.provider else None}
        return rule | asdict(self.pruning) | asked

    def inputs(self) -> dict[str, str | list[str]]:
        """Digests of history and texts."""
        texts = (
            {"profiles": digest_of(texts_of(self.profiles)), "items": digest_of(texts_of(self.items))}
            if self.provider
            else {}
        )
        return {"history": [epoch.digest() for epoch in self.history], **texts}

    def begin(self, samples: Samples, step: int, dataset: Dataset, gone: Mask | None) -> tuple[Keep, Report]:
        """As ``Judge.begin``; samples that are gone are not looked at."""
        epoch = _Epoch(self, dataset, samples if gone is None else samples.take(~gone), step, samples.steps)
        return epoch, epoch.report


class _Epoch:
    """Says of each batch of one epoch which samples to keep."""

    def __init__(self, live: Live, dataset: Dataset, samples: Samples, step: int, steps: int) -> None:
        """``step`` is T of the first batch, ``steps`` how many an epoch has."""
        self.live, self.dataset, self.samples, self.step, self.steps = live, dataset, samples, step, steps
        self.rule = pick_rule(live.judging.rule, "bpr" if samples.label is None else "bce")
        self.thresholds = parse_thresholds(live.judging, live.pruning.alpha, steps)
        self.bounds = samples.bounds()
        self.history = align(live.history, dataset.users, dataset.items)
        self._judged: list[Table] = []
        self._verdicts: list[Table] = []

    def __call__(self, number: int, loss: NDArray[np.float32]) -> Mask:
        """Which samples of batch ``number`` to keep, (b,) bool, given their losses (b,)."""
        live, start, step = self.live, int(self.bounds[number]), self.step + number
        batch = self.samples.part(start, int(self.bounds[number + 1]))
        noisy = noisy_rows(table_of(batch, loss, self.dataset), self.history, live.pruning, step, live.seed, self.steps)
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

    def report(self) -> tuple[Table, Table]:
        """The noisy rows of all batches, judged, and what became of them; ``row`` counts the samples trained on."""
        judged = concatenate(self._judged)
        judged.columns["noisy_rows"] = np.full(len(judged), len(judged), dtype=np.int64)
        return judged, concatenate(self._verdicts)
