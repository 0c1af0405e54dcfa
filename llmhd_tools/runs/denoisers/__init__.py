"""Denoisers that are stages between the epochs of a run; those inside the training step are in ``train/denoisers``."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.runs.journal import Journal
from llmhd_tools.runs.plan import Plan
from llmhd_tools.runs.texts import Texts
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.judge import Judge
from llmhd_tools.stages.model import Model


@dataclass
class Context:
    """What the denoisers of one run share. ``history`` holds the embeddings of the last epochs, oldest first."""

    plan: Plan
    journal: Journal
    dataset: Dataset
    model: Model
    texts: Texts | None
    vectors: Tensors | None
    history: deque[Tensors]


class Denoiser(Protocol):
    """One way to denoise; ``epoch`` counts from 1."""

    def __init__(self, context: Context) -> None: ...

    def resume(self, done: int) -> None:
        """Take up what the epochs up to ``done`` left in the folder."""

    def before(self, epoch: int) -> tuple[Table | None, Judge | None]:
        """Get ready for an epoch; the samples to train on, and who judges them, where that is this denoiser's to say."""

    def after(self, epoch: int) -> dict[str, int]:
        """Do what follows from an epoch that the model has finished; what is to be counted of it."""
