"""The loop behind ``llmhd run``: the stages of the pipe, in one process, over the files of one folder."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shutil
import time
from collections import deque
from dataclasses import dataclass

from llmhd_tools import notes
from llmhd_tools.cli.session import session
from llmhd_tools.cli.unused import tell_unused
from llmhd_tools.core.pruning import NoiseRate
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.folder import locked, read_json, write_json
from llmhd_tools.files.jsonl import Record, read_records, write_records
from llmhd_tools.files.streams import remove_unfinished
from llmhd_tools.files.tables import Table, read_table, write_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors
from llmhd_tools.run.denoisers.graph import Cleaning
from llmhd_tools.run.denoisers.llmhni import aligned_vectors
from llmhd_tools.run.measuring import Measuring
from llmhd_tools.run.plan import Settings
from llmhd_tools.stages.dataset import align, training
from llmhd_tools.stages.edges import drop_of, read_drop, read_relations, relations_of, tell_drop, tell_relations
from llmhd_tools.stages.judge import parse_thresholds, pick_rule, tell
from llmhd_tools.stages.live import Live
from llmhd_tools.stages.model import open_run
from llmhd_tools.stages.profiles import Update, Updating, update_profiles
from llmhd_tools.stages.prune import prune
from llmhd_tools.stages.score import score
from llmhd_tools.stages.scorer import judge, tell_unscored
from llmhd_tools.stages.summarize import summarize
from llmhd_tools.stages.texts import check_texts, texts_of
from llmhd_tools.train.methods import resolve


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
        self.measuring = Measuring(settings)
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
        self.inferring = settings.inferring
        self.embeds = settings.embeds
        self.open = contextlib.ExitStack()
        self.progress = Progress()
        self.records: list[Record] = []
        self.history: deque[Tensors] = deque(maxlen=settings.window)
        self.samples: Table | None = None
        self.flags: Table | None = None

    def run(self, *, resume: bool, unused: str = "") -> None:
        """Train to the end, measure the best epoch on the test split, print that as JSONL.

        ``unused`` is told as ``tell_unused`` does, once all that the run needs is there.
        """
        with locked(self.folder), self.open:
            self._open(resume)
            self._load()
            tell_unused(unused)
            limit = self.settings.epochs
            try:
                while (
                    self.progress.epoch < limit
                    and self.progress.epoch - self.progress.best_epoch < self.settings.patience
                ):
                    self._epoch(self.progress.epoch + 1)
            except KeyboardInterrupt:
                notes.note(f"stopped after epoch {self.progress.epoch}; the same words with --resume go on")
                raise
            self._finish()

    def _open(self, resume: bool) -> None:
        """See whether the folder is free, or take up where it stands."""
        settings = self.settings.kept
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
            notes.note(f"{self.folder} holds no whole epoch yet; starting with the first")
        if resume:
            self._tidy()

    def _load(self) -> None:
        """Read what the run needs; the folder becomes a run's only once all of it is good."""
        s, done = self.settings, self.progress.epoch
        self.interactions = read_table(s.train, "interactions")
        self.training = training(self.interactions)
        self.measuring.read(self.interactions, self.training)
        model = read_tensors(self._path(f"epoch-{done}", "model.npz"), "model") if done else None
        cleaned = self.cleaning.before(done) if self.cleaning else 0
        drop = read_drop(self._path(f"drop-{cleaned}.npz"), self.training, s.confidence) if cleaned else None
        relations = None
        if self.inferring and done > self.inferring.epoch:
            relations = read_relations(self.inferring.path(self.folder), self.training)
        start = functools.partial(
            open_run, self.training, s.chosen, s.words or [], s.device, s.threads, model, drop, relations=relations
        )
        config = resolve(s.chosen, s.words or [])
        if not self.embeds:
            self.run_ = start(vectors=read_tensors(s.vectors, "vectors") if s.vectors else None)
        pick_rule(s.rule, config.loss)
        self.measuring.prepare(config)
        use_texts = s.clean_vectors and s.text_weight
        self.vectors = read_tensors(str(s.clean_vectors), "vectors") if use_texts else None
        self.items = texts_of(read_table(s.items, "items")) if s.items and self.settings.asking else {}
        profiles = read_table(s.profiles, "profiles") if s.profiles and self.settings.asking else None
        if self.items:
            check_texts("item", self.training.items, self.items, str(s.items))
        if profiles:
            check_texts("user", self.training.users, texts_of(profiles), str(s.profiles))
        if not done:
            write_json(self._path("settings.json"), self.settings.kept)
        ids = {"users": self.training.users, "items": self.training.items}
        for epoch in range(max(1, done - s.window + 1), done + 1) if s.staged or self.cleaning else ():
            self.history.append(read_tensors(self._path(f"epoch-{epoch}", "embeddings.npz"), "embeddings"))
        if s.staged and done >= s.warm_up and not s.live:
            self.samples = read_table(self._path(f"epoch-{done + 1}", "samples.npz"), "samples", **ids)
        if self.settings.asking:
            self._load_texts(done, profiles)
        if self.embeds:
            assert s.items is not None
            items = read_table(s.items, "items")
            texts = self.profiles, items
            made = aligned_vectors(s.llm, *texts, self.interactions, config.seed, self.folder, self.provider)
            self.run_ = start(vectors=made)

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
                notes.note("summarising every user's taste")
                write_table(path, summarize(self.training, self.items, self.provider))
            self.profiles = read_table(path, "profiles")

    def _epoch(self, epoch: int) -> None:
        """One epoch: judge its samples, train on the rest, measure, update profiles, draw the next samples."""
        s, started = self.settings, time.perf_counter()
        os.makedirs(self._path(f"epoch-{epoch}"), exist_ok=True)
        if self.cleaning and epoch - 1 in self.cleaning.epochs:
            self._clean(self.cleaning, epoch - 1)
        if self.inferring and epoch - 1 == self.inferring.epoch:
            texts = texts_of(self.profiles), self.items
            related = self.inferring.relate(self.training, *texts, self.provider, self.folder)
            self.run_.correct(relations_of(related, self.training))
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
        found, chosen = self.measuring.epoch(z, self.run_, counts)
        self.records += found
        self._keep(epoch, chosen, z)
        mark = "*" if self.progress.best_epoch == epoch else " "
        told = f"epoch {epoch}: loss {self.run_.loss:.4f}, valid {s.select} {abs(chosen):.4f}{mark}"
        told += tell(self.run_.verdicts) + tell_drop(self.run_.drop) + tell_relations(self.run_.relations)
        if "updated-profiles" in counts:
            told += f"; {counts['updated-profiles']:,} profiles updated"
        notes.note(f"{told} ({time.perf_counter() - started:.1f} s)")

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
            judged = read_table(output, "suspects" if table.kind == "suspects" else "judged", **ids)
            tell_unscored(table, judged)
            return judged
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

    def _keep(self, epoch: int, value: float, z: Tensors) -> None:
        """Make the epoch count: metrics, the best embeddings, and last the progress; then drop what is done with."""
        if value > self.progress.best:
            self.progress = Progress(epoch, epoch, value)
            write_tensors(self._path("best.npz"), z)
        else:
            self.progress = Progress(epoch, self.progress.best_epoch, self.progress.best)
        write_records(self._path("metrics.jsonl"), self.records)
        write_json(self._path("progress.json"), vars(self.progress))
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
        if found := self.measuring.best(best, self.run_):
            write_records(self._path("metrics.jsonl"), self.records + found)
            write_records("-", found)
        notes.note(f"best epoch {self.progress.best_epoch}, valid {self.settings.select} {abs(self.progress.best):.4f}")

    def _path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)
