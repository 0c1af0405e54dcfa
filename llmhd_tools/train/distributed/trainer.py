"""Training over several processes: rows of embeddings, Adam's moments and the adjacency are spread over the ranks.

Rank 0 has a ``ShardedTrainer``, which looks like a ``Trainer`` and gives orders; every rank, 0 too, has a ``Part`` that
does its share of each. LightGCN only: other methods use what no one rank has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.train.backbones.lightgcn import xavier_uniform
from llmhd_tools.train.config import Config
from llmhd_tools.train.distributed.part import Part
from llmhd_tools.train.distributed.ranks import Array, Ranks
from llmhd_tools.train.distributed.shard import own_entries
from llmhd_tools.train.state import State
from llmhd_tools.train.trainer import Judge

_NAME = "embedding"  # the one parameter of LightGCN


class ShardedTrainer:
    """A ``Trainer`` on rank 0 whose tables and work are spread over all ranks."""

    def __init__(
        self,
        config: Config,
        graph: Graph,
        device: str,
        threads: int | None,
        state: State | None,
        edges: Graph | None = None,
    ) -> None:
        assert Ranks.here is not None
        self.config, self.graph, self.ranks = config, graph, Ranks.here
        self.edges = graph if edges is None else edges
        check(config, graph, device, self.ranks.size)
        if state:
            tables = [group[_NAME] for group in (state.params, state.first, state.second)]
            if any(table.shape != (graph.n_users + graph.n_items, config.dim) for table in tables):
                raise InputError("the model's arrays do not fit the interactions and `dim`")
        else:
            rng = generator(config.seed, 0, "init")
            tables = [np.concatenate([xavier_uniform(n, config.dim, rng) for n in (graph.n_users, graph.n_items)])]
        order = {
            "config": config.as_dict(),
            "users": graph.n_users,
            "items": graph.n_items,
            "device": device,
            "threads": threads,
            "tables": len(tables),
            "epoch": state.epoch if state else 0,
            "step": state.step if state else 0,
        }
        entries = own_entries(self.edges, self.ranks.size)
        with self.ranks.order("open", **order):
            self.part = Part(self.ranks, order, entries, tables)
        self.device = self.part.device

    @property
    def epoch(self) -> int:
        """Finished epochs."""
        return int(self.part.epoch)

    @property
    def step(self) -> int:
        """Finished steps T."""
        return int(self.part.step)

    def train(self, samples: Samples, keep: NDArray[np.bool_] | Judge | None = None) -> float:
        """One epoch over ``samples``, as ``Trainer.train``. Raises UsageError for a judge."""
        if callable(keep):
            raise UsageError("`live` judges in one process only; leave out torchrun")
        with self.ranks.order("train"):
            return self.part.train(*self._columns(samples, keep))

    def state(self) -> State:
        """The state now, whole, in this process."""
        with self.ranks.order("tables"):
            params, first, second = map(self._whole, self.part.tables())
        return State({_NAME: params}, {_NAME: first}, {_NAME: second}, self.epoch, self.step)

    def embeddings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Final embeddings z of users (n, d) and of items (m, d)."""
        with self.ranks.order("final"):
            final = self._whole(self.part.final())
        return final[: self.graph.n_users], final[self.graph.n_users :]

    def losses(self, samples: Samples) -> NDArray[np.float32]:
        """The loss of each sample under the model as it is now, (n,) float32."""
        with self.ranks.order("losses"):
            return self.part.losses(*self._columns(samples, None))

    def trust(self, samples: Samples) -> None:
        """Nothing is denoised in these steps."""

    def sizes(self) -> list[dict[str, int]]:
        """Of each rank: table rows, adjacency entries, rows fetched for a product, bytes sent so far."""
        with self.ranks.order("sizes"):
            return [dict(zip(("rows", "entries", "halo", "sent"), c.tolist(), strict=True)) for c in self.part.sizes()]

    def _columns(self, samples: Samples, keep: NDArray[np.bool_] | None) -> list[Array]:
        """What ``Part`` needs of an epoch; an empty column is none."""
        behind = np.int32(self.graph.n_users)
        columns = [samples.user, samples.item + behind]
        if samples.negative is not None:
            columns.append(samples.negative + behind)
        rest = (np.zeros(0, np.float32) if c is None else c.astype(np.float32) for c in (samples.label, keep))
        return [np.stack(columns).astype(np.int32), samples.bounds().astype(np.int64), *rest]

    def _whole(self, parts: list[Array]) -> NDArray[np.float32]:
        """The table whose rows the ranks sent."""
        whole = np.empty((self.graph.n_users + self.graph.n_items, self.config.dim), np.float32)
        for rank, rows in enumerate(parts):
            whole[rank :: self.ranks.size] = rows
        return whole


def follow(ranks: Ranks) -> int:
    """Do what rank 0 orders until it says stop; the exit code that it leaves with."""
    part: Any = None
    for order in ranks.orders():
        if order["do"] == "open":
            part = Part(ranks, order)
        elif order["do"] == "stop":
            return int(order["code"])
        else:
            getattr(part, order["do"])()
    raise AssertionError("the last order is stop")


def check(config: Config, graph: Graph, device: str, size: int) -> None:
    """Raise UsageError for what does not run over several processes, on rank 0 before anything is ordered."""
    plain = Config()
    for name, does in (("backbone", [plain.backbone]), ("denoise", [plain.denoise]), ("loss", ["bpr", "bce"])):
        if getattr(config, name) not in does:
            raise UsageError(
                f"`{name}` {getattr(config, name)} does not train over several processes, "
                f"only {' and '.join(does)} {'do' if does[1:] else 'does'}; leave out torchrun"
            )
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"`device` {device}: over several processes each takes its own; use auto, cpu or cuda")
    if size > min(graph.n_users, graph.n_items):
        raise UsageError(f"{size} processes are too many for {graph.n_users} users and {graph.n_items} items")
