"""The sampled loss of held-out rows, and that loss without its highest part: a noise-aware rule to choose an epoch by.

Held-out rows are as noisy as training rows. A reproducibility study (its "ERM_RE": plain training, judged by the
validation loss without the positives of highest loss) found that this rivals the denoisers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, Floats, floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.pruning import predictions
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows (n,), each with a negative that never changes, so that epochs differ by their model alone."""

    user: Codes
    item: Codes
    negative: Codes

    @classmethod
    def of(cls, train: Graph, user: Codes, item: Codes, seed: int) -> HeldOut:
        """Draw a uniform negative for each row from (seed, "valid"): an item that the user has in no row of either.

        Raises InputError where a user has touched every item.
        """
        both = np.concatenate([train.user, user]), np.concatenate([train.item, item])
        graph = Graph.of(*both, train.n_users, train.n_items)
        return cls(user, item, draw_negatives(graph, user, generator(seed, 0, "valid")))

    def kept(self, embeddings: Embeddings, loss: str, trim: float) -> NDArray[np.bool_]:
        """All rows but the ⌊trim·n⌋ of highest loss, (n,) bool; of equal losses the earlier row goes first.

        The loss of a row is the triple's (``bpr``), or the positive's alone (``bce``).
        """
        return _lowest(self._losses(embeddings, loss)[0], trim)

    def loss(self, embeddings: Embeddings, loss: str, trim: float = 0.0) -> float:
        """The mean loss of the kept rows; for ``bce`` of the kept positives and of all negatives."""
        own, negatives = self._losses(embeddings, loss)
        return float(np.concatenate([own[_lowest(own, trim)], negatives]).mean())

    def _losses(self, embeddings: Embeddings, loss: str) -> tuple[Floats, Floats]:
        """The rows' losses (n,), and for ``bce`` those of their negatives (Eq. 1-2)."""
        positive, negative = (predictions(embeddings, self.user, j, "raw") for j in (self.item, self.negative))
        if loss == "bpr":
            return np.logaddexp(0, negative - positive), np.zeros(0)
        return np.logaddexp(0, -positive), np.logaddexp(0, negative)


def _lowest(losses: Floats, trim: float) -> NDArray[np.bool_]:
    kept = np.ones(len(losses), dtype=bool)
    kept[np.argsort(-losses, kind="stable")[: floor_share(trim, len(losses))]] = False
    return kept
