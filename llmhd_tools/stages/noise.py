"""Known noise added to interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core import noise
from llmhd_tools.core.arrays import round_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, concatenate, recode


def inject_noise(
    clean: Table, ratio: float, seed: int = 0, against: Sequence[Table] = (), pool: Table | None = None
) -> Table:
    """The interactions followed by ⌊ratio·n + ½⌋ noisy ones, each row marked; columns of the pool's rows come along.

    Random pairs are none of ``clean`` or ``against``, of users and items that ``clean`` has; with a ``pool`` they are
    drawn from it. Raises InputError where there are not as many.
    """
    inputs: dict[str, str | list[str]] = {"train": clean.digest(), "against": [table.digest() for table in against]}
    if pool is not None:
        inputs["pool"] = pool.digest()
    users, items = Ids(clean.users.names), Ids(clean.items.names)
    for other in (*against, *([pool] if pool is not None else [])):
        users.add(
            other.users.names
        )  # noise never brings in new users or items, but the pairs it must avoid may name some
        items.add(other.items.names)
    held = [clean, *(recode(other, users, items) for other in against)]
    graph = Graph.of(clean["user"], clean["item"], len(users), len(items))
    user, item = (np.concatenate([table[side] for table in held]) for side in ("user", "item"))
    taken = Graph.of(user, item, len(users), len(items))
    if ratio > 1:
        notes.warn(
            f"`ratio` {ratio:g} adds {ratio:g} noisy rows for each clean one; for {ratio:g} % it is {ratio / 100:g}"
        )
    count, rng = round_share(ratio, len(clean)), generator(seed, 0, "noise")
    if pool is not None:
        drawn = recode(pool, users, items)
        added = drawn.take(noise.pool_rows(graph, taken, drawn["user"], drawn["item"], count, rng))
        added.columns = {name: column for name, column in added.columns.items() if name in clean or name == "noise"}
    else:
        user, item = noise.random_pairs(graph, taken, count, rng)
        added = Table("interactions", {"user": user, "item": item}, users, items)
    marked = replace(clean, columns={"noise": np.zeros(len(clean), dtype=np.int8), **clean.columns})
    marked.users, marked.items = users, items
    added.columns["noise"] = np.ones(count, dtype=np.int8)
    noisy = concatenate([marked, added])
    noisy.meta = {"made": made("inject-noise", {"ratio": ratio, "seed": seed}, inputs)}
    return noisy
