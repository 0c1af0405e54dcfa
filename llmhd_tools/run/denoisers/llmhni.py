"""The stages with which ``run`` does LLMHNI: aligned vectors for the negatives, relations for the graph (docs/llmhni.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmhd_tools.errors import UsageError
from llmhd_tools.stages.relate import Disputing

if TYPE_CHECKING:
    from llmhd_tools.cli.options_llm import LlmOptions
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.llm.requests import Provider
    from llmhd_tools.stages.dataset import Training


@dataclass(frozen=True)
class Inferring:
    """After which ``epoch`` to ask about disputed pairs, and ``how``; see ``relate``."""

    epoch: int
    how: Disputing

    def path(self, folder: str) -> str:
        """Where the relations lie."""
        return os.path.join(folder, f"relations-{self.epoch}.jsonl")

    def relate(
        self,
        training: Training,
        profiles: Mapping[str, str],
        items: Mapping[str, str],
        provider: Provider,
        folder: str,
    ) -> Table:
        """The judged pairs of the epoch that has just ended; they are written into ``folder``."""
        from llmhd_tools.files.tables import write_table
        from llmhd_tools.files.tensors import read_tensors
        from llmhd_tools.stages.relate import relate

        z = read_tensors(os.path.join(folder, f"epoch-{self.epoch}", "embeddings.npz"), "embeddings")
        found = relate(z, training, profiles, items, self.how, provider)
        write_table(self.path(folder), found)
        return found


def check_vectors(llm: LlmOptions, vectors: str | None, items: str | None) -> None:
    """Raise UsageError where semantic negatives have no aligned vectors, and none can be made here."""
    from llmhd_tools.llm.open import SERVICE, split_spec

    if vectors is not None:
        return
    if items is None:
        raise UsageError("--negatives semantic compares texts; give aligned vectors with --vectors, or --items")
    if split_spec(llm.llm)[0] == SERVICE:
        raise UsageError("a chat model makes no vectors; run `llmhd embed` and `llmhd align`, and give --vectors")


def aligned_vectors(
    llm: LlmOptions, profiles: Table, items: Table, interactions: Table, seed: int, folder: str, provider: Provider
) -> Tensors:
    """The texts embedded, ``vectors.npz``, and aligned, ``aligned.npz``, in ``folder``; what is there is not made again.

    ``provider`` is that of the run, whose usage these texts join.
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import vector_session
    from llmhd_tools.files.tensors import read_tensors, write_tensors
    from llmhd_tools.stages.align import align_vectors
    from llmhd_tools.stages.embed import embedded
    from llmhd_tools.train.align import Aligning

    path, plain = (os.path.join(folder, name) for name in ("aligned.npz", "vectors.npz"))
    if not os.path.exists(path):
        if not os.path.exists(plain):
            with vector_session(llm, "run", None, provider) as asked:
                write_tensors(plain, embedded([profiles, items], asked.provider, None))
        aligned, records = align_vectors(
            read_tensors(plain, "vectors"), interactions, {}, Aligning(seed=seed), held_out=0.1
        )
        before, after = (record["value"] for record in records if record["split"] == "held-out")
        notes.note(f"AUC of relevance on held-out pairs {before:.4f} before alignment, {after:.4f} after")
        write_tensors(path, aligned)
    return read_tensors(path, "vectors")
