"""Samplers of negatives: one file each, and a line each in ``registry.py``. NumPy only: they run between epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from llmhd_tools.core.graph import Codes, Graph
    from llmhd_tools.core.pruning import Embeddings
    from llmhd_tools.train.config import Config


class Sampler(Protocol):
    """How the negatives of an epoch are chosen among the items that a user has not touched.

    Embeddings z are those that the epoch before left; before the first epoch there are none, so it is drawn uniformly.
    """

    Options: ClassVar[type]
    scored: ClassVar[bool] = True  # whether it looks at embeddings

    def __init__(self, config: Config) -> None: ...

    def draw(self, graph: Graph, user: Codes, rng: np.random.Generator, z: Embeddings) -> Codes:
        """A negative for each of these users, none of it in ``graph``, (n,) int32."""


def build(config: Config) -> Sampler:
    """The sampler that ``config`` names. Raises UsageError for an unknown one."""
    from llmhd_tools.train.methods import load

    sampler: Sampler = load("negatives", config.negatives)(config)
    return sampler
