"""Small graphs that the tests of the methods share."""

from __future__ import annotations

import numpy as np
import torch

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.batch import Batch

CPU = torch.device("cpu")


def graph_of(user, item, users, items):
    """A graph from lists of codes."""
    return Graph.of(np.array(user, np.int32), np.array(item, np.int32), users, items)


def toy():
    """u0-{i0, i1}, u1-{i1}; nodes (u0, u1, i0, i1) (card §5)."""
    return graph_of([0, 0, 1], [0, 1, 1], 2, 2)


def random_graph(users=12, items=9, seed=0, share=0.4):
    """A random graph."""
    user, item = np.nonzero(np.random.default_rng(seed).random((users, items)) < share)
    return graph_of(user, item, users, items)


def pairs(graph, count, seed=0):
    """A pairwise batch of the graph's first edges with random negatives."""
    negative = np.random.default_rng(seed).integers(graph.n_items, size=count)
    nodes = [graph.user[:count], graph.item[:count] + graph.n_users, negative + graph.n_users]
    return Batch(torch.from_numpy(np.stack(nodes).astype(np.int64)), None, 0)


def points(label, step=0, graph=None):
    """A pointwise batch: the graph's first edges as positives, in front; anything as negatives."""
    label = torch.tensor(label, dtype=torch.float32)
    graph = graph or random_graph(40, 40, share=0.9)
    nodes = np.stack([graph.user[: len(label)], graph.item[: len(label)] + graph.n_users]).astype(np.int64)
    return Batch(torch.from_numpy(nodes), label, step)


def dense(graph):
    """D^-1/2 A D^-1/2 in double precision, from the definition."""
    size = graph.n_users + graph.n_items
    a = np.zeros((size, size))
    a[graph.user, graph.n_users + graph.item] = a[graph.n_users + graph.item, graph.user] = 1
    degree = a.sum(0)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros(size), where=degree > 0)
    return torch.from_numpy(scale[:, None] * a * scale)


def params_of(backbone, seed=0):
    """A backbone's fresh parameters as leaves that want a gradient."""
    values = backbone.initial(np.random.default_rng(seed))
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
