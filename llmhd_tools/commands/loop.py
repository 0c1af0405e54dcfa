"""The loop behind ``llmhd run``: the stages of the pipe, in one process, over the files of one folder."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from llmhd_tools import console
from llmhd_tools.commands.cleaning import Cleaning
from llmhd_tools.commands.disliked import disliked_metrics
from llmhd_tools.commands.dropping import drop_of, read_drop, tell_drop
from llmhd_tools.commands.evaluate import Ranking, parse_at, parse_metrics, rank_metrics, tell_unknown
from llmhd_tools.commands.known_noise import cut_metrics, noise_metrics
from llmhd_tools.commands.live import Live
from llmhd_tools.commands.loading import align, by_user, texts_of, training
from llmhd_tools.commands.prune import prune
from llmhd_tools.commands.runs import read_json
from llmhd_tools.commands.score import score
from llmhd_tools.commands.scorer import judge
from llmhd_tools.commands.selecting import Selection, Selector
from llmhd_tools.commands.session import session
from llmhd_tools.commands.summarize import summarize
from llmhd_tools.commands.training import open_run
from llmhd_tools.commands.update_profiles import Update, Updating, update_profiles
from llmhd_tools.commands.verdicts import parse_thresholds, pick_rule, tell
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import read_records, write_records
from llmhd_tools.files.streams import open_out, remove_unfinished
from llmhd_tools.files.tables import Table, read_table, write_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors
from llmhd_tools.options_llm import LlmOptions
from llmhd_tools.registry import STAGED

Record = dict[str, Any]
_OF_LLM = ("llm", "domain", "templates", "param", "budget", "expected_score")  # those that answers depend on
_MAY_CHANGE = ("epochs", "patience", "threads")  # of a run's settings, when it goes on


@dataclass(frozen=True)
class Settings:
    """The options of ``run``; see its help."""

    train: str
    valid: str
    test: str | None
    items: str | None
    profiles: str | None
    denoise: str
    backbone: str | None
    negatives: str | None
    vectors: str | None
    words: list[str] | None
    loss: str | None
    dim: int | None
    layers: int | None
    batch: int | None
    lr: float | None
    reg: float | None
    seed: int | None
    epochs: int
    patience: int
    select: str
    trim: float
    at: str
    metrics: str
    unknown: str
    warm_up: int
    window: int
    alpha: float
    max_noise: float
    schedule: str
    candidates: float
    selection: str
    link: str
    rule: str | None
    scorer: str | None
    threshold_alpha: float | None
    pair_threshold: str
    positive_threshold: str
    negative_threshold: str
    band: str
    live: bool
    llm: LlmOptions
    update: bool
    scope: str
    confidence: int
    tracked: int
    clean: str
    clean_at: str
    clean_share: float
    clean_vectors: str | None
    text_weight: float
    leave_one_out: bool
    disliked: str | None
    noise: bool
    keep: bool
    device: str
    threads: int | None

    @property
    def chosen(self) -> Record:
        """The training settings that were given."""
        names = ("backbone", "negatives", "loss", "dim", "layers", "batch", "lr", "reg", "seed")
        return {name: getattr(self, name) for name in names} | {"denoise": "none" if self.staged else self.denoise}

    @property
    def staged(self) -> bool:
        """Whether stages before the training step denoise, not the step itself."""
        return self.denoise in STAGED

    @property
    def cleaning(self) -> Cleaning | None:
        """How the graph is cleaned, if it is. Raises UsageError as ``Cleaning.parse``."""
        if self.clean == "none":
            return None
        return Cleaning.parse(self.clean_at, self.epochs, self.clean_share, self.text_weight, self.leave_one_out)


@dataclass
class Progress:
    """Where a run stands after its last whole epoch; the last file that an epoch writes."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = -math.inf  # what is to grow: a metric, or a loss with its sign turned


class Loop:
    """One run in one folder."""

    def __init__(self, folder: str, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.select = Selection.parse(settings.select, settings.trim)
        self.at, self.names = parse_at(settings.at), parse_metrics(settings.metrics)
        self.rate = NoiseRate(settings.alpha, settings.max_noise, settings.schedule)
        self.thresholds = parse_thresholds(
            settings.threshold_alpha or settings.alpha,
            settings.pair_threshold,
            settings.positive_threshold,
            settings.negative_threshold,
            settings.band,
        )
        self.llmhd = settings.denoise == "llmhd"
        self.cleaning = settings.cleaning
        self.texts = self.llmhd or bool(self.cleaning and settings.items and settings.text_weight)
        self.open = contextlib.ExitStack()
        self.progress = Progress()
        self.records: list[Record] = []
        self.history: deque[Tensors] = deque(maxlen=settings.window)
        self.samples: Table | None = None
        self.flags: Table | None = None
        self.selector: Selector | None = None

    def run(self, *, resume: bool) -> None:
        """Train to the end, measure the best epoch on the test split, print that as JSONL."""
        with _locked(self.folder), self.open:
            self._open(resume)
            self._load()
            limit = self.settings.epochs
            try:
                while (
                    self.progress.epoch < limit
                    and self.progress.epoch - self.progress.best_epoch < self.settings.patience
                ):
                    self._epoch(self.progress.epoch + 1)
            except KeyboardInterrupt:
                console.note(f"run: stopped after epoch {self.progress.epoch}; the same words with --resume go on")
                raise
            self._finish()

    def _open(self, resume: bool) -> None:
        """See whether the folder is free, or take up where it stands."""
        settings = self._settings()
        if os.path.exists(self._path("progress.json")) or os.path.exists(self._path("settings.json")):
            if not resume:
                raise InputError("holds a run already; go on with --resume or name another folder", where=self.folder)
            kept = read_json(self._path("settings.json"))
            if differing := [name for name in settings if kept.get(name) != settings[name]]:
                raise UsageError(
                    f"--{differing[0].replace('_', '-')} differs from the run in {self.folder}; --resume needs the same"
                )
        if os.path.exists(self._path("progress.json")):
            self.progress = Progress(**read_json(self._path("progress.json")))
            self.records = [
                r for _, r in read_records(self._path("metrics.jsonl")) if r["epoch"] <= self.progress.epoch
            ]
            self.records = [r for r in self.records if r["split"] != "test"]
        elif resume:
            console.note(f"run: {self.folder} holds no whole epoch yet; starting with the first")
        if resume:
            self._tidy()

    def _settings(self) -> Record:
        settings = {f.name: getattr(self.settings, f.name) for f in fields(Settings) if f.name not in _MAY_CHANGE}
        return settings | {name: getattr(self.settings.llm, name) for name in _OF_LLM}

    def _load(self) -> None:
        """Read what the run needs; the folder becomes a run's only once all of it is good."""
        s, done = self.settings, self.progress.epoch
        self.interactions = read_table(s.train, "interactions")
        if s.noise and "noise" not in self.interactions:
            raise InputError("has no 'noise' marks for --noise to measure against", where=s.train)
        self.training = training(self.interactions)
        self.hidden = by_user(self.interactions, self.training.users, self.training.items)
        self.valid = read_table(s.valid, "interactions")
        self.test = read_table(s.test, "interactions") if s.test else None
        self.disliked = read_table(s.disliked, "interactions") if s.disliked else None
        for table in (self.valid, self.test, self.disliked):
            if table is not None:
                tell_unknown("run", table, self.training.users, self.training.items, s.unknown)
        model = read_tensors(self._path(f"epoch-{done}", "model.npz"), "model") if done else None
        cleaned = self.cleaning.before(done) if self.cleaning else 0
        drop = read_drop(self._path(f"drop-{cleaned}.npz"), self.training, s.confidence) if cleaned else None
        vectors = read_tensors(s.vectors, "vectors") if s.vectors else None
        self.run_ = open_run(self.training, s.chosen, s.words or [], s.device, s.threads, model, drop, vectors)
        pick_rule(s.rule, self.run_.config.loss)
        loss, seed = self.run_.config.loss, self.run_.config.seed
        if not self.select.ranked:
            self.selector = Selector(self.select, self.valid, self.training, self.hidden, loss, seed, s.unknown)
        use_texts = s.clean_vectors and s.text_weight
        self.vectors = read_tensors(str(s.clean_vectors), "vectors") if use_texts else None
        self.items = texts_of(read_table(s.items, "items")) if s.items and self.texts else {}
        profiles = read_table(s.profiles, "profiles") if s.profiles and self.texts else None
        if not done:
            _write_json(self._path("settings.json"), self._settings())
        ids = {"users": self.training.users, "items": self.training.items}
        for epoch in range(max(1, done - s.window + 1), done + 1) if s.staged or self.cleaning else ():
            self.history.append(read_tensors(self._path(f"epoch-{epoch}", "embeddings.npz"), "embeddings"))
        if s.staged and done >= s.warm_up and not s.live:
            self.samples = read_table(self._path(f"epoch-{done + 1}", "samples.npz"), "samples", **ids)
        if self.texts:
            self._load_texts(done, profiles)

    def _load_texts(self, done: int, profiles: Table | None) -> None:
        opened = session(self.settings.llm, "run", list(self.items.values()))
        self.provider = self.open.enter_context(opened).provider
        flags = self._path(f"epoch-{done}", "flags.npz")
        if os.path.exists(flags):
            self.flags = read_table(flags, "flags", users=self.training.users, items=self.training.items)
            self.profiles = read_table(self._path(f"epoch-{done}", "profiles.jsonl"), "profiles")
        elif profiles:
            self.profiles = profiles
        else:
            path = self._path("profiles.jsonl")
            if not os.path.exists(path):
                console.note("run: summarising every user's taste")
                write_table(path, summarize(self.training, self.items, self.provider))
            self.profiles = read_table(path, "profiles")

    def _epoch(self, epoch: int) -> None:
        """One epoch: judge its samples, train on the rest, measure, update profiles, draw the next samples."""
        s, started = self.settings, time.perf_counter()
        os.makedirs(self._path(f"epoch-{epoch}"), exist_ok=True)
        if self.cleaning and epoch - 1 in self.cleaning.epochs:
            self._clean(self.cleaning, epoch - 1)
        denoised = s.staged and epoch > s.warm_up
        judging = (self._live() if s.live else self._judge(epoch)) if denoised else None
        self.run_.train(self.samples if denoised else None, judging, s.rule, self.thresholds)
        z = self.run_.embeddings()
        write_tensors(self._path(f"epoch-{epoch}", "embeddings.npz"), z)
        counts = self._counts()
        if s.staged or self.cleaning:
            self.history.append(z)
        if denoised and self.llmhd and s.update:
            counts["updated-profiles"] = self._update(epoch).updated
        if s.staged and epoch >= s.warm_up and not s.live:
            os.makedirs(self._path(f"epoch-{epoch + 1}"), exist_ok=True)
            self.samples = self.run_.next_samples()
            write_table(self._path(f"epoch-{epoch + 1}", "samples.npz"), self.samples)
        write_tensors(self._path(f"epoch-{epoch}", "model.npz"), self.run_.model())
        chosen = self._measure(z, counts)
        self._keep(epoch, chosen, z)
        mark = "*" if self.progress.best_epoch == epoch else " "
        told = f"epoch {epoch}: loss {self.run_.loss:.4f}, valid {s.select} {abs(chosen):.4f}{mark}"
        told += tell(self.run_.verdicts) + tell_drop(self.run_.drop)
        if "updated-profiles" in counts:
            told += f"; {counts['updated-profiles']:,} profiles updated"
        console.note(f"{told} ({time.perf_counter() - started:.1f} s)")

    def _choice(self) -> Record:
        """How candidates are chosen: the options of ``prune``."""
        s = self.settings
        share = s.candidates if self.llmhd else 0.0
        return {"candidates": share, "selection": s.selection, "link": s.link, "seed": self.run_.config.seed}

    def _live(self) -> Live:
        """What the steps of the epoch are judged with."""
        if not self.llmhd:
            return Live(list(self.history), self.rate, self._choice(), {}, {}, None)
        return Live(list(self.history), self.rate, self._choice(), texts_of(self.profiles), self.items, self.provider)

    def _clean(self, cleaning: Cleaning, epoch: int) -> None:
        """Choose after ``epoch`` which pairs the graph goes without from now on."""
        judge = functools.partial(self._scores, epoch + 1) if self.items and cleaning.text_weight else None
        cut = cleaning.clean(epoch, self.training, self.history, self.run_.drop, self.vectors, judge, self.folder)
        self.run_.leave_out(drop_of(cut, self.training, self.settings.confidence))

    def _judge(self, epoch: int) -> Table:
        """The noisy samples of the epoch, with the candidates' scores where an LLM is to rescue the hard ones."""
        assert self.samples is not None
        history = align(self.history, self.training.users, self.training.items)
        noisy = prune(self.samples, history, self.rate, self.run_.trainer.step, **self._choice())
        write_table(self._path(f"epoch-{epoch}", "noisy.jsonl"), noisy)
        if not self.llmhd:
            return Table("judged", noisy.columns, noisy.users, noisy.items)
        path = self._path(f"epoch-{epoch}", "judged.jsonl")
        return self._scores(epoch, noisy, self._path(f"epoch-{epoch}", "noisy.jsonl"), path)

    def _scores(self, epoch: int, table: Table, path: str, output: str) -> Table:
        """Noisy rows or suspects, which lie in ``path``, with scores by the profiles of ``epoch``, written to ``output``."""
        s = self.settings
        if s.scorer is not None:
            assert s.items is not None
            judge(s.scorer, path, self._profiles_path(epoch), s.items, output)
            ids = {"users": self.training.users, "items": self.training.items}
            return read_table(output, "suspects" if table.kind == "suspects" else "judged", **ids)
        judged = score(table, texts_of(self.profiles), self.items, self.provider)
        write_table(output, judged)
        return judged

    def _profiles_path(self, epoch: int) -> str:
        """Where the profiles lie that an epoch is judged by."""
        if os.path.exists(updated := self._path(f"epoch-{epoch - 1}", "profiles.jsonl")):
            return updated
        return self.settings.profiles or self._path("profiles.jsonl")

    def _counts(self) -> dict[str, int]:
        """How many rows were noisy, candidates, hard and dropped; what was decided in the epoch is written."""
        judged, verdicts = self.run_.judged, self.run_.verdicts
        if judged is None or verdicts is None:
            return {}
        folder = self._path(f"epoch-{self.run_.trainer.epoch}")
        if self.settings.live:
            write_table(os.path.join(folder, "judged.jsonl"), judged)
        write_table(os.path.join(folder, "verdicts.jsonl"), verdicts)
        hard = list(verdicts.columns["verdict"]).count("hard")
        candidates = int((judged["candidate"] == 1).sum())
        return {"noisy": len(judged), "candidates": candidates, "hard": hard, "dropped": len(judged) - hard}

    def _update(self, epoch: int) -> Update:
        s = self.settings
        how = Updating(self.rate, s.candidates, s.link, s.scope, s.confidence, s.tracked)
        result = update_profiles(
            self.profiles, self.training, self.items, self.history, self.flags, self.run_.model(), how, self.provider
        )
        self.profiles, self.flags = result.profiles, result.flags
        write_table(self._path(f"epoch-{epoch}", "profiles.jsonl"), self.profiles)
        write_table(self._path(f"epoch-{epoch}", "flags.npz"), self.flags)
        return result

    def _measure(self, z: Tensors, counts: dict[str, int]) -> float:
        """Record the epoch's metrics and counts; the value that chooses the epoch, which is to grow."""
        select, lengths, names = self.select, self.at, self.names
        if select.k and not self.selector:
            lengths, names = sorted({*lengths, select.k}), list(dict.fromkeys([*names, select.metric]))
        every = self._ranked(z, self.valid, [self.hidden], lengths, names, "valid")
        found = [r for r in every if r["k"] in self.at and r["metric"] in self.names]
        if self.selector:
            chosen = self.selector.record(z)
        else:
            (chosen,) = (r for r in every if (r["k"], r["metric"]) == (select.k, select.metric))
        if chosen not in found:
            found.append(chosen)
        head = {"epoch": z.meta["epoch"], "split": "train"}
        found.append(head | {"metric": "loss", "value": self.run_.loss})
        found += [head | {"metric": name, "value": float(count)} for name, count in counts.items()]
        if self.settings.noise:
            found += noise_metrics(z, self.interactions, self.run_.verdicts)
        if self.run_.drop:
            marked = self.interactions if self.settings.noise else None
            found += cut_metrics(z, self.run_.drop, self.training, marked)
        self.records += found
        return float(chosen["value"]) * (-1 if select.metric == "loss" else 1)

    def _ranked(
        self, z: Tensors, test: Table, hidden: list[ByUser], at: list[int], names: list[str], split: str
    ) -> list[Record]:
        """Metric records, ranked where the run trains."""
        return rank_metrics(z, test, hidden, at, names, split, self.settings.unknown, rank=self._rank())

    def _rank(self) -> Ranking | None:
        if (device := self.run_.trainer.device).type != "cuda":
            return None
        from llmhd_tools.train.ranking import hits_at

        return functools.partial(hits_at, device=device)

    def _keep(self, epoch: int, value: float, z: Tensors) -> None:
        """Make the epoch count: metrics, the best embeddings, and last the progress; then drop what is done with."""
        if value > self.progress.best:
            self.progress = Progress(epoch, epoch, value)
            write_tensors(self._path("best.npz"), z)
        else:
            self.progress = Progress(epoch, self.progress.best_epoch, self.progress.best)
        write_records(self._path("metrics.jsonl"), self.records)
        _write_json(self._path("progress.json"), vars(self.progress))
        self._drop(epoch - 1)

    def _drop(self, epoch: int) -> None:
        """Remove what no epoch needs any more, once the one after ``epoch`` is done."""
        if not self.settings.keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(f"epoch-{epoch}", "model.npz"))
            shutil.rmtree(self._path(f"epoch-{epoch + 1 - self.settings.window}"), ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what a killed process left: half-written files, and old ones that it had no time to drop."""
        remove_unfinished(self.folder)
        for epoch in range(1, self.progress.epoch + 3):  # an epoch writes the samples of the next
            remove_unfinished(self._path(f"epoch-{epoch}"))
        for epoch in range(1, self.progress.epoch):
            self._drop(epoch)

    def _finish(self) -> None:
        best = read_tensors(self._path("best.npz"), "embeddings")
        if self.test is not None:
            hidden = [by_user(table, best.users, best.items) for table in (self.interactions, self.valid)]
            found = self._ranked(best, self.test, hidden, self.at, self.names, "test")
            if self.disliked is not None:
                unknown = self.settings.unknown
                found += disliked_metrics(
                    best, self.test, self.disliked, hidden, self.at, "test", unknown, rank=self._rank()
                )
            write_records(self._path("metrics.jsonl"), self.records + found)
            write_records("-", found)
        console.note(
            f"run: best epoch {self.progress.best_epoch}, valid {self.settings.select} {abs(self.progress.best):.4f}"
        )

    def _path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold the folder for this process alone. Raises InputError where another run holds it, or it cannot be made."""
    try:
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot be the run's folder: {(error.strerror or '').lower()}", where=folder) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however that ends
        yield
    except BlockingIOError:
        raise InputError("is in use by another run", where=folder) from None
    finally:
        os.close(handle)


def _write_json(path: str, value: object) -> None:
    with open_out(path) as out:
        out.write(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")
