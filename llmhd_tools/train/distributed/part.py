"""One rank's part in training over several processes: its rows of the tables, and its share of each step.

The batch's few rows are put together on every rank, so all compute its loss, and each takes the gradient of its own rows.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.errors import DeviceError
from llmhd_tools.train.config import Config
from llmhd_tools.train.distributed.ranks import Array, Order, Ranks
from llmhd_tools.train.distributed.shard import Shard, Sides
from llmhd_tools.train.ops import losses
from llmhd_tools.train.ops.adam import Adam
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.trainer import CHECKED_STEPS, Diverged, check_finite

_CHUNK = 1 << 16  # samples whose losses are computed at a time


class Part:
    """One rank's share of the tables, (rows, dim) each, and of the work. Methods are called on all ranks together.

    Arguments are rank 0's; the others leave them out.
    """

    def __init__(self, ranks: Ranks, order: Order, entries: Any = None, tables: list[Array] | None = None) -> None:
        """``entries`` gives a rank's entries of the adjacency; ``tables`` are E, or E and Adam's moments."""
        self.ranks, self.config = ranks, Config(**order["config"])
        self.epoch, self.step = order["epoch"], order["step"]
        self.device = own_device(order["device"])
        use_threads(order["threads"] or max(1, len(os.sched_getaffinity(0)) // _here()))
        self.sides = Sides(order["users"], order["items"], ranks.rank, ranks.size)
        starts, columns, values = ranks.deal(3, entries)
        self.shard = Shard(ranks, self.sides, starts, columns, values, self.device)

        def rows(rank: int) -> list[Array]:
            return [table[rank :: ranks.size] for table in tables or ()]

        dealt = ranks.deal(order["tables"], rows if tables else None)
        own = [torch.from_numpy(table).to(self.device, copy=True) for table in dealt]
        self.table = own[0].requires_grad_()
        self.adam = Adam([self.table], self.config.lr, own[1:2] or None, own[2:3] or None, self.step)

    def train(self, *given: Array) -> float:
        """One epoch; given are what ``_columns`` makes of samples. Returns the mean batch loss."""
        nodes, bounds, label, weight = self._shared(given)
        values = torch.zeros(len(bounds) - 1, device=self.device)
        for number, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
            part = slice(start, end)
            rest = (None if column is None else column[part] for column in (label, weight))
            values[number] = self._batch(nodes[:, part], *rest)
            if number % CHECKED_STEPS == 0 or number == len(values) - 1:  # each check waits for the device
                check_finite(values[: number + 1], self.epoch + 1, self.step)  # the same on all ranks
        self.step += len(values)
        size = self.shard.mean(self.table.detach(), self.config.layers).square().sum()
        dist.all_reduce(size)
        if not size.isfinite():  # the last step's doing; bounds every score
            raise Diverged("the embeddings are too large", self.epoch + 1, self.step)
        self.epoch += 1
        return float(values.mean())

    def _shared(self, given: tuple[Array, ...]) -> list[Any]:
        """(nodes (3, n) or (2, n), bounds, label or None, weight or None) on this rank's device."""
        columns = [self.ranks.share(given[number] if given else None) for number in range(4)]
        nodes, bounds, *rest = [torch.from_numpy(np.array(column)).to(self.device) for column in columns]
        return [nodes.long(), bounds, *(column if len(column) else None for column in rest)]

    def _batch(self, nodes: Tensor, label: Tensor | None, weight: Tensor | None) -> Tensor:
        """One step on a batch of (3, b) or (2, b) nodes; its loss."""
        table, layers, flat = self.table.detach(), self.config.layers, nodes.reshape(-1)
        found = self.shard.fetch([table, self.shard.mean(table, layers)], flat).requires_grad_()
        ego, final = found.split(self.config.dim, dim=1)
        each = _each(final, nodes.shape[1], label)
        kept = each.mean() if weight is None else (each * weight).sum() / weight.sum().clamp(min=1)
        loss = kept + self.config.reg * losses.embedding_norms(*ego.split(nodes.shape[1]))
        loss.backward()
        self.table.grad = self._gradient(found, flat)
        self.adam.step()
        return loss.detach()

    def _gradient(self, found: Tensor, nodes: Tensor) -> Tensor:
        """Own rows of the gradient in E, (I + L + … + L^K) G / (K + 1) + the ego rows', by Horner's scheme."""
        assert found.grad is not None
        places, rows = self.shard.pick(nodes)
        ego, final = found.grad[places].split(self.config.dim, dim=1)
        final = final / (self.config.layers + 1)
        gradient = self.shard.kept("start", *self.table.shape).zero_().index_add_(0, rows, final)
        for k in range(self.config.layers):
            gradient = self.shard.product(gradient, self.shard.kept(f"layer {k % 2}", *self.table.shape))
            gradient.index_add_(0, rows, final)
        return gradient.index_add_(0, rows, ego)

    def tables(self) -> list[list[Array]]:
        """On rank 0, every rank's rows of E and of Adam's two moments."""
        return [self.ranks.collect(_host(tensor)) for tensor in (self.table, *self.adam.first, *self.adam.second)]

    def final(self) -> list[Array]:
        """On rank 0, every rank's rows of z."""
        return self.ranks.collect(_host(self.shard.mean(self.table.detach(), self.config.layers)))

    def losses(self, *given: Array) -> NDArray[np.float32]:
        """The loss of each sample under the model as it is now, (n,)."""
        nodes, _, label, _ = self._shared(given)
        final = self.shard.mean(self.table.detach(), self.config.layers)
        found = []
        for start in range(0, nodes.shape[1], _CHUNK):
            part = nodes[:, start : start + _CHUNK]
            rows = self.shard.fetch([final], part.reshape(-1))
            found.append(_each(rows, part.shape[1], None if label is None else label[start : start + _CHUNK]))
        return _host(torch.cat(found))

    def sizes(self) -> list[Array]:
        """On rank 0, for every rank: table rows, adjacency entries, rows fetched for a product, bytes sent so far."""
        counts = (self.table.shape[0], self.shard.entries, self.shard.halo, self.shard.sent)
        return self.ranks.collect(np.array(counts, np.int64))


def own_device(name: str) -> torch.device:
    """This process's device: with CUDA the GPU of its number on this machine. Raises DeviceError where it has none."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= torch.cuda.device_count():
        raise DeviceError(f"process {number} of this machine finds {torch.cuda.device_count()} CUDA devices")
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _here() -> int:
    """Processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _each(rows: Tensor, size: int, label: Tensor | None) -> Tensor:
    """The losses (size,) of samples whose users, items and negatives have these rows, one after the other."""
    user, item, *negative = rows.split(size)
    positive = (user * item).sum(1)
    return losses.bce(positive, label) if label is not None else losses.bpr(positive, (user * negative[0]).sum(1))


def _host(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy()
