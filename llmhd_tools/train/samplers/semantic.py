"""Semantic negatives (LLMHNI, module 1; docs/llmhni.md): from a pool of hard items those that texts call irrelevant.

Each user has a pool of high-scored items, refreshed after every epoch. A member of low relevance is taken for a hard
negative, one of high relevance for a suspected false negative. Relevance is the cosine of aligned text vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.negatives import dots, pick, refreshed_pool, weights, without
from llmhd_tools.core.relevance import unit
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.samplers import Sampler


@dataclass(frozen=True)
class SemanticOptions:
    """Its own settings."""

    pool: int = option(16, "hard items that are kept for each user, H", low=1)
    fresh: int = option(128, "uniform draws that join a user's pool after an epoch, M", low=1)
    uniform_epochs: int = option(5, "epochs of uniform negatives before there is a pool", low=1)
    rule: str = option(
        "argmin",
        "which member of the pool: the least relevant; drawn by exp(-relevance/τ); any but the most relevant",
        choices=("argmin", "soft", "filter"),
    )
    relevance_temperature: float = option(0.1, "temperature of rule=soft, τ", low=0.001)
    suspects: float = option(0.25, "share of a pool that rule=filter leaves out, the most relevant", low=0, high=0.99)


class Semantic(Sampler):
    """A pool of hard items for each user; it is the sampler's state."""

    Options: ClassVar[type] = SemanticOptions
    texts: ClassVar[bool] = True

    def __init__(self, config: Config, graph: Graph, vectors: Embeddings | None) -> None:
        assert vectors is not None
        self.options, self.seed, self.vectors = (
            config.pick(SemanticOptions),
            config.seed,
            (unit(vectors[0]), unit(vectors[1])),
        )
        self.pool = np.full((graph.n_users, self.options.pool), -1, dtype=np.int32)

    def end_epoch(self, graph: Graph, epoch: int, z: Embeddings) -> None:
        """Refresh the pools after ``epoch``."""
        if epoch >= self.options.uniform_epochs:
            rng = generator(self.seed, epoch, "pool")
            self.pool = refreshed_pool(self.pool, graph, z, self.options.fresh, rng)

    def draw(self, graph: Graph, user: Codes, rng: np.random.Generator, z: Embeddings) -> Codes:
        """Members of the users' pools; uniform negatives for users whose pool is empty."""
        everyone, o = np.arange(len(self.pool), dtype=np.int32), self.options
        pool = without(graph, self.pool, everyone)
        relevance = np.where(pool < 0, np.float32(np.inf), dots(self.vectors, everyone, pool))
        found = pick(pool, weights(relevance, o.rule, o.relevance_temperature, o.suspects), user, rng)
        empty = found < 0
        found[empty] = draw_negatives(graph, user[empty], rng)
        return found

    def state(self) -> dict[str, NDArray[np.int32]]:
        """The pools, (users, H) int32, -1 where a place is free."""
        return {"pool": self.pool}

    def restore(self, arrays: dict[str, NDArray[np.int32]]) -> None:
        """Take up the pools of a model."""
        pool = arrays.get("pool")
        if pool is None or pool.dtype != np.int32 or pool.shape != self.pool.shape:
            raise InputError("the model's pools of negatives do not fit the interactions")
        if pool.min() < -1 or pool.max() >= len(self.vectors[1]):
            raise InputError("the model's pools of negatives name items that there are not")
        self.pool = pool
