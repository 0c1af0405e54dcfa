"""One rank's share of a graph, and products with the whole of it.

Node v lives on rank v mod P, users first, so that old and busy nodes spread evenly. An interaction lives with its node
of the larger side ("long", mostly the users): a rank holds R, the rows of L at its long nodes with the columns of the
short nodes they touch. L is symmetric, so R' holds these same entries for the short nodes, and one list of short nodes
serves a product in both directions: their rows come in from their owners for R S, and partial sums R' U go back, in one
exchange. Rows of the larger side never travel. The same product is the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.distributed.ranks import Ranks
from llmhd_tools.train.ops.propagation import normalised_adjacency, to_torch
from llmhd_tools.train.ops.threads import wide


class Sides:
    """Which nodes of a bipartite graph a rank owns. Its table holds them in order: own users, then own items."""

    def __init__(self, users: int, items: int, rank: int, size: int) -> None:
        self.size = size
        own_users, own = len(range(rank, users, size)), len(range(rank, users + items, size))
        user_rows, item_rows = slice(0, own_users), slice(own_users, own)
        self.rows = own
        self.first_short = users if users >= items else 0
        self.long, self.short = (user_rows, item_rows) if users >= items else (item_rows, user_rows)

    def count(self, side: slice) -> int:
        """Own nodes of a side."""
        return int(side.stop - side.start)

    def place(self, short: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Owners of short nodes (numbered from 0), and their rows among the owner's short rows."""
        before = [len(range(rank, self.first_short, self.size)) for rank in range(self.size)]
        row, owner = np.divmod(short + self.first_short, self.size)
        return owner, row - np.array(before)[owner]


def own_entries(graph: Graph, size: int) -> Callable[[int], list[NDArray[Any]]]:
    """A function of the rank: its R, (own long nodes, all short nodes), as the three arrays of a CSR."""
    matrix = normalised_adjacency(graph)
    nodes = np.arange(matrix.shape[0])
    users, items = slice(0, graph.n_users), slice(graph.n_users, len(nodes))
    long, short = (users, items) if graph.n_users >= graph.n_items else (items, users)

    def entries(rank: int) -> list[NDArray[Any]]:
        own = nodes[long][nodes[long] % size == rank]
        part = matrix[own][:, short]
        return [part.indptr.astype(np.int32), part.indices.astype(np.int32), part.data]

    return entries


class Shard:
    """R of one rank, R', and the lists of short nodes whose rows and sums travel, fixed once.

    To rank q go this rank's rows that q's columns refer to, ``gives[q]`` of them, and the sums for q's rows that this
    rank's columns refer to, ``takes[q]``; from it come as many rows and sums the other way. Buffers are kept from
    product to product: fresh memory would be mapped anew each time.
    """

    def __init__(
        self,
        ranks: Ranks,
        sides: Sides,
        starts: NDArray[np.int32],
        columns: NDArray[np.int32],
        values: NDArray[np.float32],
        device: torch.device,
    ) -> None:
        """``starts, columns, values``: R as CSR, (own long nodes, all short nodes)."""
        self.ranks, self.sides, self.device = ranks, sides, device
        self.entries, self.sent, self.own = len(values), 0, sides.count(sides.short)
        touched, place = np.unique(columns, return_inverse=True)
        owner, row = sides.place(touched.astype(np.int64))
        foreign = np.flatnonzero(owner != ranks.rank)
        foreign = foreign[np.argsort(owner[foreign], kind="stable")]
        self.halo = len(foreign)
        asked = self._agree(owner[foreign], row[foreign])
        takes, gives = self.takes, self.gives
        arrived = _spread(takes, gives)  # where the rows of others come to lie in what arrives
        long = sides.count(sides.long)
        near, partial = row.copy(), row.copy()  # of each touched node, its place in those two tables
        near[foreign], partial[foreign] = self.own + arrived, self.own + np.arange(self.halo)
        down = sp.csr_matrix((values, near[place], starts), shape=(long, self.own + self.halo + len(asked)))
        up = sp.csr_matrix((values, partial[place], starts), shape=(long, self.own + self.halo)).T.tocsr()
        down.sort_indices()
        self.down, self.up = to_torch(down, device), to_torch(up, device)  # R, R'
        send = np.empty(self.halo + len(asked), np.int64)
        send[_spread(gives, takes)] = asked
        send[_spread(gives, takes, second=True)] = down.shape[1] + self.own + np.arange(self.halo)
        sums = self.own + _spread(takes, gives, second=True)
        self._send, self._sums, self._asked = (torch.from_numpy(a).to(device) for a in (send, sums, asked))
        self._kept: dict[str, Tensor] = {}

    def _agree(self, owner: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tell every owner which of its rows this rank's columns refer to; the own rows that others asked for."""
        self.takes = np.bincount(owner, minlength=self.ranks.size)
        gives = torch.zeros(self.ranks.size, dtype=torch.int64)
        dist.all_to_all_single(gives, torch.from_numpy(self.takes))
        self.gives = gives.numpy()
        asked = torch.zeros(int(self.gives.sum()), dtype=torch.int64)
        dist.all_to_all_single(asked, torch.from_numpy(row), self.gives.tolist(), self.takes.tolist())
        return asked.numpy()

    def kept(self, name: str, rows: int, dim: int) -> Tensor:
        """A (rows, dim) table that is the same at every call with this name."""
        if name not in self._kept:
            self._kept[name] = torch.zeros(rows, dim, device=self.device)
        return self._kept[name]

    def product(self, table: Tensor, out: Tensor) -> Tensor:
        """Own rows of L E, (rows, dim), written into ``out``, from own rows of E."""
        dim, edge = table.shape[1], self.down.shape[1]
        space = self.kept("space", edge + self.up.shape[0], dim)
        near, partial = space[:edge], space[edge:]  # S with what arrives behind it; R' U
        near[: self.own] = table[self.sides.short]
        with wide():
            torch.addmm(partial, self.up, table[self.sides.long], beta=0, out=partial)
        going = torch.index_select(space, 0, self._send, out=self.kept("going", len(self._send), dim))
        counts = (self.takes + self.gives).tolist()
        dist.all_to_all_single(near[self.own :], going, counts, counts)
        self.sent += going.nbytes
        long, short = out[self.sides.long], out[self.sides.short]
        with wide():
            torch.addmm(long, self.down, near, beta=0, out=long)
        short[:] = partial[: self.own]
        short.index_add_(0, self._asked, near.index_select(0, self._sums))
        return out

    def mean(self, table: Tensor, layers: int) -> Tensor:
        """Own rows of the mean over k = 0..layers of L^k E, (rows, dim), in a table that the next call overwrites."""
        total, layer = self.kept("mean", *table.shape).copy_(table), table
        for k in range(layers):
            layer = self.product(layer, self.kept(f"layer {k % 2}", *table.shape))
            total += layer
        return total.div_(layers + 1)

    def pick(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Which of ``nodes`` are on this rank, as places in ``nodes`` and rows of the rank's table."""
        places = torch.nonzero(nodes % self.ranks.size == self.ranks.rank)[:, 0]
        return places, torch.div(nodes[places], self.ranks.size, rounding_mode="floor")

    def fetch(self, tables: list[Tensor], nodes: Tensor) -> Tensor:
        """Rows of ``nodes`` in the tables side by side, (len(nodes), tables * dim), on every rank."""
        places, rows = self.pick(nodes)
        dim = tables[0].shape[1]
        found = tables[0].new_zeros(len(nodes), dim * len(tables))
        for number, table in enumerate(tables):
            found[places, number * dim : (number + 1) * dim] = table[rows]
        dist.all_reduce(found)  # one rank has the row, the others zeros
        self.sent += 2 * found.nbytes * (self.ranks.size - 1) // self.ranks.size
        return found


def _spread(first: NDArray[np.int64], then: NDArray[np.int64], second: bool = False) -> NDArray[np.int64]:
    """Places of the first parts (or the second) in blocks of first[q] and then[q] rows for q = 0, 1, …"""
    which = np.repeat(np.tile([not second, second], len(first)), np.stack([first, then], axis=1).reshape(-1))
    return np.flatnonzero(which)
