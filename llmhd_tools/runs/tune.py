"""Settings tuned: each trial a run or a fit, judged on valid alone, each done once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.folder import locked, read_json, write_json
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.streams import open_out
from llmhd_tools.files.table import Table, from_records, to_records
from llmhd_tools.files.tables import read_table, write_table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider, TextProvider
from llmhd_tools.measure.evaluate import evaluate
from llmhd_tools.measure.selection import Selection
from llmhd_tools.runs.loop import run_plan
from llmhd_tools.runs.plan import Inputs, check_inputs, plan_of
from llmhd_tools.runs.trials import Choices, Space, best_of
from llmhd_tools.settings import Fitting, pick
from llmhd_tools.settings.configs import toml_of
from llmhd_tools.settings.tuning import Tuning
from llmhd_tools.stages.fit import check_fit, fit
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.trainer import Diverged

Run = Callable[[int, Choices, bool], Record]  # a trial's number, its choices, whether to resume: what it reached


def tune(
    train: Table,
    valid: Table,
    how: Tuning | None = None,
    *,
    folder: str,
    items: Table | None = None,
    profiles: Table | None = None,
    vectors: Tensors | None = None,
    aligned: Tensors | None = None,
    provider: Provider | None = None,
    embedder: TextProvider | None = None,
    config: Mapping[str, Any] | None = None,
    resume: bool = False,
    **choices: Any,
) -> Table:
    """Try settings and choose among them on valid: a table of kind trials, in the order tried, the best one marked.

    ``choices`` are those of ``Tuning`` by name, ``config`` is what all trials share: choices of ``run``, or of ``fit``. In
    ``folder`` lie ``trials.jsonl``, a run's folder for each trial, and ``best.toml`` for ``run``. A trial whose loss
    grows beyond bounds has failed, and the others go on. With ``resume`` no trial is done again. Raises UsageError for
    settings that cannot be, before the first trial, or that are not the folder's; InputError as ``run`` and ``fit`` do,
    and where every trial failed.
    """
    how = pick(Tuning, how, choices)
    space = Space.of(how)
    fixed = {name.replace("-", "_"): value for name, value in (config or {}).items()}
    trials = space.trials(how.random, how.seed)
    each = [space.over(fixed if how.fit else fixed | {"select": how.select}, trial) for trial in trials]
    inputs = Inputs(train, valid, None, items, profiles, vectors=vectors, aligned=aligned)
    by = Selection.parse(how.select)
    run = _fits(each, how.fit, inputs, by, how) if how.fit else _runs(each, inputs, folder, provider, embedder)
    record = asdict(how) | {"tries": space.values, "config": fixed, "digests": inputs.digests()}
    with locked(folder, "a tuning"):
        kept = _Kept(folder, record, resume)
        for number, (trial, given) in enumerate(zip(trials, each, strict=True), 1):
            if number > len(kept.records):
                words = " ".join(f"{name.replace('_', '-')}={trial[name]}" for name in space.varied)
                notes.note(f"trial {number} of {len(trials)}: {words}")
                kept.add(
                    {"trial": number, "metric": by.metric, "k": by.k} | _outcome(run, number, given, resume) | trial
                )
        return kept.finish(space, trials, each, how, by)


def _outcome(run: Run, number: int, given: Choices, resume: bool) -> Record:
    """What a trial reached, or why it failed."""
    try:
        return run(number, given, resume)
    except Diverged as error:
        notes.warn(f"trial {number} failed: {error}")
        return {"failed": str(error)}


def _runs(
    each: list[Choices], inputs: Inputs, folder: str, provider: Provider | None, embedder: TextProvider | None
) -> Run:
    """Trials that are runs. Raises UsageError where one of them cannot be."""
    for one in each:
        plan = plan_of(one)
        check_inputs(plan, vars(inputs))
        resolve({name: value for name, value in asdict(plan.training).items() if name != "set"}, plan.training.set)

    def run(number: int, choices: Choices, resume: bool) -> Record:
        own = os.path.join(folder, f"trial-{number}")
        there = os.path.exists(os.path.join(own, "settings.json"))
        run_plan(plan_of(choices), inputs, own, provider, embedder, resume=resume and there)
        progress = read_json(os.path.join(own, "progress.json"))
        return {"value": abs(progress["best"]), "epoch": progress["best_epoch"]}

    return run


def _fits(each: list[Choices], model: str, inputs: Inputs, by: Selection, how: Tuning) -> Run:
    """Trials that are fits. Raises UsageError where one of them cannot be, or ``select`` is nothing that a fit has."""
    if by.k is None or by.trim is not None:
        raise UsageError(f"`select` '{how.select}': fits are chosen by a metric such as ndcg@10")
    for one in each:
        words, shuffle = (
            pick(Fitting, None, {k: v for k, v in one.items() if k != "shuffle_texts"}),
            one.get("shuffle_texts"),
        )
        check_fit(model, words, inputs.items is not None, inputs.vectors is not None, shuffle)

    def run(number: int, choices: Choices, resume: bool) -> Record:
        fitted = fit(inputs.train, model, items=inputs.items, vectors=inputs.vectors, **choices)
        measures: dict[str, Any] = {"at": str(by.k), "metrics": by.metric, "unknown": "skip"}
        found = evaluate(fitted, inputs.valid, exclude=[inputs.train], split="valid", **measures)
        return {"value": float(found["value"][0])}

    return run


class _Kept:
    """The folder of a tuning: what it is, and the trials that are done."""

    def __init__(self, folder: str, record: Record, resume: bool) -> None:
        """Raises InputError where the folder holds a tuning and is not to be resumed, UsageError where it is of another one."""
        self.folder, self.record = folder, json.loads(json.dumps(record))
        self.records: list[Record] = []
        if not os.path.exists(self._path("tuning.json")):
            return
        if not resume:
            raise InputError("holds a tuning already; go on with `resume` or name another folder", where=folder)
        there = read_json(self._path("tuning.json"), "a tuning")
        for name, value in self.record.items():
            if there.get(name) != value:
                told = "the content of the inputs" if name == "digests" else f"`{'try' if name == 'tries' else name}`"
                was = "" if name == "digests" else f" (there {there.get(name)})"
                raise UsageError(f"{told} differs from the tuning in {folder}{was}; `resume` needs the same")
        if os.path.exists(self._path("trials.jsonl")):
            self.records = [dict(one) for one in to_records(read_table(self._path("trials.jsonl"), "trials"))]

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def add(self, record: Record) -> None:
        """Keep what a trial reached."""
        if not self.records:
            write_json(self._path("tuning.json"), self.record)
        self.records.append({name: value for name, value in record.items() if value is not None})
        write_table(self._path("trials.jsonl"), self._table())

    def _table(self) -> Table:
        return from_records("trials", [dict(one) for one in self.records], self._path("trials.jsonl"))

    def finish(self, space: Space, trials: list[Choices], each: list[Choices], how: Tuning, by: Selection) -> Table:
        """Mark the best trial, write its settings for ``run``, and warn where it lies at an edge."""
        best = best_of([one.get("value") for one in self.records], by.metric == "loss")
        if best is None:
            raise InputError("has no trial that came to an end; see `failed` in trials.jsonl", where=self.folder)
        for number, one in enumerate(self.records):
            one["best"] = number == best
        write_table(self._path("trials.jsonl"), self._table())
        if how.fit is None:
            with open_out(self._path("best.toml")) as out:
                out.write(
                    toml_of(each[best], f"Trial {best + 1} of {len(each)}, the best on valid by {how.select}").encode()
                )
        for name, value, way in space.edges(trials[best]):
            notes.warn(
                f"the best {name.replace('_', '-')}, {value}, lies at the edge of what was tried; try {way} ones"
            )
        return self._table()
