"""Known noise added to interactions."""

from __future__ import annotations

import numpy as np

from llmhd_tools.core import noise
from llmhd_tools.core.arrays import round_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.files.tables import Table, concatenate, recode


def inject(clean: Table, ratio: float, seed: int, against: list[Table], pool: Table | None) -> Table:
    """The interactions followed by ⌊ratio·n + ½⌋ noisy ones; columns of the pool's rows come along."""

    users, items = clean.users, clean.items
    count = round_share(ratio, len(clean))
    rng = generator(seed, 0, "noise")
    others = [*against, pool] if pool else against
    for other in others:  # noise never brings in new users or items, but the pairs it must avoid may name some
        users.add(other.users.names)
        items.add(other.items.names)
        recode(other, users, items)
    graph = Graph.of(clean["user"], clean["item"], len(users), len(items))
    held = [clean, *against]
    taken = Graph.of(
        np.concatenate([t["user"] for t in held]), np.concatenate([t["item"] for t in held]), len(users), len(items)
    )
    if pool:
        added = pool.take(noise.pool_rows(graph, taken, pool["user"], pool["item"], count, rng))
        added.columns = {name: column for name, column in added.columns.items() if name in clean or name == "noise"}
    else:
        user, item = noise.random_pairs(graph, taken, count, rng)
        added = Table("interactions", {"user": user, "item": item}, users, items)
    if "noise" not in clean:
        clean.columns["noise"] = np.zeros(len(clean), dtype=np.int8)
    added.columns["noise"] = np.ones(count, dtype=np.int8)
    return concatenate([clean, added])
