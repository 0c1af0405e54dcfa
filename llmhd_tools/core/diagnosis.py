"""Do hard samples differ from noise? Figure 1 of the paper and the premise of its Eq. 8-10, on data with known noise.

Every training row is one sample (user, item, negative), drawn once and followed from epoch to epoch:

- easy: a clean row with a random negative (the paper's D = 1);
- hard: the same row with the highest-scored of three random negatives (D = 3), as it scores at that epoch;
- noisy: a noisy row with a random negative or, as in the paper, a held-out item of the user (a false negative).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, Floats, floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.pruning import predictions
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator

Rows = NDArray[np.int64]
Measures = dict[str, Floats]  # values of a group's samples by name of the measure

DRAWN = 3  # random negatives of each row: D of the hard samples
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Probe:
    """The samples: (n,) users, items and whether each is noise; ``negatives`` (3 or 4, n), -1 where there is none.

    The fourth negative is the false one.
    """

    user: Codes
    item: Codes
    noisy: NDArray[np.bool_]
    negatives: Codes

    @classmethod
    def draw(cls, graph: Graph, noisy: NDArray[np.bool_], seed: int, held_out: ByUser | None = None) -> Probe:
        """Samples of all interactions of ``graph``, of which some are ``noisy`` (n,); false negatives from ``held_out``."""
        rng = generator(seed, 0, "diagnose")
        negatives = [draw_negatives(graph, graph.user, rng) for _ in range(DRAWN)]
        if held_out is not None:
            count = np.diff(held_out.start)[graph.user]
            picked = held_out.start[graph.user] + (rng.random(len(graph)) * count).astype(np.int64)
            items = np.append(held_out.items, -1)  # the last user's rows may begin behind the end
            negatives.append(np.where(count > 0, items[picked], -1))
        return cls(graph.user, graph.item, noisy, np.stack(negatives))

    def predictions(self, embeddings: Embeddings) -> Floats:
        """Raw ŷ of the items and of each of the negatives under one epoch's embeddings, (4 or 5, n) float64."""
        return np.stack([predictions(embeddings, self.user, item, "raw") for item in (self.item, *self.negatives)])

    def figure_1(self, past: Sequence[Floats], link: str, score: Floats | None = None) -> dict[str, Measures]:
        """Measures of the easy, hard and noisy samples; ``past`` are the predictions of the last epochs, oldest first."""
        clean, noisy = np.flatnonzero(~self.noisy), np.flatnonzero(self.noisy)
        false = len(self.negatives) > DRAWN
        if false:
            noisy = noisy[self.negatives[DRAWN, noisy] >= 0]
        hardest = 1 + past[-1][1 : 1 + DRAWN, clean].argmax(0)
        return {
            "easy": _measures(past, clean, np.ones(len(clean), np.int64), link, score),
            "hard": _measures(past, clean, hardest, link, score),
            "noisy": _measures(past, noisy, np.full(len(noisy), 1 + DRAWN if false else 1), link, score),
        }

    def high_loss(
        self, past: Sequence[Floats], share: float, link: str, score: Floats | None = None
    ) -> dict[str, Measures]:
        """Measures of the clean and the noisy rows among the ⌊share·n⌋ of largest loss, each with its first negative."""
        now = past[-1]
        high = np.argsort(now[0] - now[1], kind="stable")[: floor_share(share, len(self.user))]
        sides = {"clean": high[~self.noisy[high]], "noisy": high[self.noisy[high]]}
        return {name: _measures(past, rows, np.ones(len(rows), np.int64), link, score) for name, rows in sides.items()}


def _measures(past: Sequence[Floats], rows: Rows, negative: Rows, link: str, score: Floats | None) -> Measures:
    """All that is known of some rows, each with the negative of that number; variances from two epochs on (Eq. 17)."""
    seen = np.stack([epoch[0, rows] for epoch in past]), np.stack([epoch[negative, rows] for epoch in past])
    found = {
        "loss": np.logaddexp(0, seen[1][-1] - seen[0][-1]),
        "prediction": seen[0][-1],
        "negative-prediction": seen[1][-1],
    }
    if len(past) > 1:
        for name, values in zip(("variance", "negative-variance"), seen, strict=True):
            found[name] = np.var(1 / (1 + np.exp(-values)) if link == "sigmoid" else values, axis=0)
    if score is not None:
        found["score"] = score[rows][np.isfinite(score[rows])]
    return found


def summary(values: Floats) -> dict[str, float]:
    """Mean, standard deviation and quantiles of some values; of none of them, nothing."""
    if not len(values):
        return {}
    named = {f"q{100 * q:02.0f}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)}
    return {"mean": float(values.mean()), "sd": float(values.std()), **named}
