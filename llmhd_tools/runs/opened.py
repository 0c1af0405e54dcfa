"""A run's folder, opened to be asked: what it was told, where it came to, and the files that it was given."""

from __future__ import annotations

import os
from dataclasses import dataclass

from llmhd_tools import notes
from llmhd_tools.errors import InputError
from llmhd_tools.files.folder import read_json
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors, read_tensors
from llmhd_tools.stages.dataset import counted
from llmhd_tools.stages.rankers import read_ranker


def is_run(path: str) -> bool:
    """Whether ``path`` is a folder, and so to be read as a run's."""
    return os.path.isdir(path)


@dataclass(frozen=True)
class Opened:
    """A run's folder; ``settings`` and ``progress`` are its records."""

    folder: str
    settings: Record
    progress: Record

    @classmethod
    def of(cls, folder: str) -> Opened:
        """Raises InputError where the folder holds no run, or none with a whole epoch."""
        if not os.path.isfile(os.path.join(folder, "settings.json")):
            raise InputError("is not the folder of a run; name what `llmhd run -o` did", where=folder)
        if not os.path.isfile(os.path.join(folder, "best.npz")):
            raise InputError("holds no whole epoch yet; go on with `resume`", where=folder)
        settings, progress = (read_json(os.path.join(folder, f"{name}.json")) for name in ("settings", "progress"))
        if not isinstance(progress.get("best_epoch"), int) or not isinstance(settings.get("digests"), dict):
            raise InputError("is not the folder of a run by this llmhd", where=folder)
        return cls(folder, settings, progress)

    def path(self, *parts: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, *parts)

    def model(self) -> Tensors:
        """The embeddings of the best epoch."""
        return read_tensors(self.path("best.npz"), "embeddings")

    def train(self) -> Table:
        """The interactions that it was trained on. Raises InputError where they are gone, or are others by now."""
        table = read_table(self.given("train"), "interactions")
        if table.digest(*counted(table)) != self.settings["digests"].get("train"):
            raise InputError(f"holds other interactions than when the run in {self.folder} began", where=table.source)
        return table

    def texts(self, side: str) -> Table | None:
        """The texts that it was given, ``items`` or ``profiles``; None where it was given none, or they are gone."""
        path = self.settings.get(side)
        if not path:
            return None
        if not os.path.exists(path):
            notes.note(f"{path}, which the run in {self.folder} read its {side} from, is not there")
            return None
        return read_table(path, side)

    def given(self, name: str) -> str:
        """Where an input lies. Raises InputError where it does not any more."""
        path = self.settings.get(name)
        if not isinstance(path, str) or not path:
            raise InputError(f"does not tell its {name} file", where=self.folder)
        if not os.path.exists(path):
            told = f"is not there; the run in {self.folder} read its {name} rows from it, by a path from where it was started"
            raise InputError(told, where=path)
        return path


def read_model(path: str) -> tuple[Tensors, Opened | None]:
    """A file that ranks, or the best epoch of a run's folder; and that run."""
    if not is_run(path):
        return read_ranker(path), None
    run = Opened.of(path)
    return run.model(), run
