"""popularity: everyone is shown what most have touched. What any recommender must beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from llmhd_tools.core.rankers import Dot
from llmhd_tools.train.config import NoOptions
from llmhd_tools.train.fitted import Fitted


class Popularity(Fitted):
    """Embeddings of width 1: users are 1, items their interactions' weight in all."""

    Options: ClassVar[type] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        pass

    def fit(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str = "cpu") -> Dot:
        """The sums of the columns."""
        users, _ = interactions.shape
        counts = np.bincount(interactions.indices, interactions.data, minlength=interactions.shape[1])
        return Dot(np.ones((users, 1), np.float32), counts.astype(np.float32)[:, None])
