"""One rank's share of a graph, and products with the whole of it.

Node v lives on rank v mod P, users first, so that old and busy nodes spread evenly. An interaction lives with its node
of the larger side ("long", mostly the users): a rank holds R, the rows of L at its long nodes with the columns of the
short nodes they touch. L is symmetric, so R' holds these same entries for the short nodes, and one list of short nodes
serves a product in both directions: their rows come in from their owners for R S, and partial sums R' U go back. Rows
of the larger side never travel. The same product is the backward pass.
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
from llmhd_tools.train.propagation import normalised_adjacency, to_torch
from llmhd_tools.train.ranks import Ranks
from llmhd_tools.train.threads import wide


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

    ``columns`` are numbers of short nodes from 0: of R's entries, in the order of ``starts`` and ``values`` (CSR).
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
        self.ranks, self.sides, self.device = ranks, sides, device
        self.entries, self.sent = len(values), 0
        kept = sides.count(sides.short)
        touched, place = np.unique(columns, return_inverse=True)
        owner, row = sides.place(touched.astype(np.int64))
        foreign = np.flatnonzero(owner != ranks.rank)
        foreign = foreign[np.argsort(owner[foreign], kind="stable")]
        position = np.where(owner == ranks.rank, row, 0)
        position[foreign] = kept + np.arange(len(foreign))
        self.halo = len(foreign)
        matrix = sp.csr_matrix((values, position[place], starts), shape=(sides.count(sides.long), kept + self.halo))
        matrix.sort_indices()
        self.down, self.up = to_torch(matrix, device), to_torch(matrix.T.tocsr(), device)  # R, R'
        self._agree(owner[foreign], row[foreign])

    def _agree(self, owner: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        """Tell every owner which of its rows this rank's columns refer to."""
        self.takes = np.bincount(owner, minlength=self.ranks.size).tolist()
        gives = torch.zeros(self.ranks.size, dtype=torch.int64)
        dist.all_to_all_single(gives, torch.tensor(self.takes))
        self.gives = gives.tolist()
        asked = torch.zeros(sum(self.gives), dtype=torch.int64)
        dist.all_to_all_single(asked, torch.from_numpy(row.astype(np.int64)), self.gives, self.takes)
        self.asked = asked.to(self.device)

    def product(self, table: Tensor) -> Tensor:
        """Own rows of L E, (rows, dim), from own rows of E. Rows travel while R' U is made, sums while R S is."""
        long, short = table[self.sides.long], table[self.sides.short]
        out, kept = torch.empty_like(table), len(short)
        near = torch.cat([short, short.new_empty(self.halo, short.shape[1])])  # own short rows, then foreign ones
        coming = self._exchange(near[kept:], short[self.asked], self.takes, self.gives)
        with wide():
            partial = torch.mm(self.up, long)
        sums = partial.new_empty(len(self.asked), partial.shape[1])
        going = self._exchange(sums, partial[kept:], self.gives, self.takes)
        coming.wait()
        with wide():
            out[self.sides.long] = torch.mm(self.down, near)
        going.wait()
        out[self.sides.short] = partial[:kept].index_add_(0, self.asked, sums)
        return out

    def _exchange(self, into: Tensor, rows: Tensor, takes: list[int], gives: list[int]) -> Any:
        self.sent += rows.nbytes
        return dist.all_to_all_single(into, rows.contiguous(), takes, gives, async_op=True)

    def mean(self, table: Tensor, layers: int) -> Tensor:
        """Own rows of the mean over k = 0..layers of L^k E, (rows, dim)."""
        total, layer = table.clone(), table
        for _ in range(layers):
            layer = self.product(layer)
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
