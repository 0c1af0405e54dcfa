"""Samples dropped by loss, the hard ones rescued by score (LLMHD), and profiles corrected by what keeps looking wrong."""

from __future__ import annotations

import os
from dataclasses import replace

from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table, write_table
from llmhd_tools.runs.denoisers import Context
from llmhd_tools.stages.judge import Judge, Judged
from llmhd_tools.stages.live import Live
from llmhd_tools.stages.profiles import update_profiles
from llmhd_tools.stages.prune import prune


class ByLoss:
    """Drops all noisy samples of each epoch (loss), or those that no score rescues (llmhd), staged or live."""

    def __init__(self, context: Context) -> None:
        plan = context.plan
        self.context, self.staging, self.judging = context, plan.staging, plan.judging
        self.llmhd = plan.model.denoise == "llmhd"
        self.pruning = plan.pruning if self.llmhd else replace(plan.pruning, candidates=0.0)
        self.ids = {"users": context.dataset.users, "items": context.dataset.items}
        self.samples: Table | None = None
        self.flags: Table | None = None

    def resume(self, done: int) -> None:
        """Take up the samples of the coming epoch, flags and profiles."""
        path = self.context.journal.epoch_path
        if done >= self.staging.warm_up and not self.staging.live:
            self.samples = read_table(path(done + 1, "samples.npz"), "samples", **self.ids)
        if os.path.exists(path(done, "flags.npz")):
            assert self.context.texts is not None
            self.flags = read_table(path(done, "flags.npz"), "flags", **self.ids)
            profiles = path(done, "profiles.jsonl")
            self.context.texts.update(read_table(profiles, "profiles"), profiles)

    def before(self, epoch: int) -> tuple[Table | None, Judge | None]:
        """Judge the epoch's samples, once the warm-up is over."""
        if epoch <= self.staging.warm_up:
            return None, None
        return (None, self._live()) if self.staging.live else (self.samples, self._judge(epoch))

    def after(self, epoch: int) -> dict[str, int]:
        """Write what was decided, update profiles, draw the next samples."""
        counts = self._counts(epoch)
        if self.llmhd and self.context.plan.profiling.update and epoch > self.staging.warm_up:
            counts["updated-profiles"] = self._update(epoch)
        if epoch >= self.staging.warm_up and not self.staging.live:
            self.samples = self.context.model.draw()
            self.context.journal.open_epoch(epoch + 1)
            write_table(self.context.journal.epoch_path(epoch + 1, "samples.npz"), self.samples)
        return counts

    def _live(self) -> Live:
        c, seed = self.context, self.context.model.config.seed
        if not self.llmhd or c.texts is None:
            return Live(list(c.history), self.pruning, self.judging, seed, {}, {}, None)
        texts = c.texts.by_user(), c.texts.items
        return Live(list(c.history), self.pruning, self.judging, seed, *texts, c.texts.provider)

    def _judge(self, epoch: int) -> Judged:
        """The noisy samples of the epoch, with the candidates' scores where somebody is to rescue the hard ones."""
        c, path = self.context, self.context.journal.epoch_path
        assert self.samples is not None
        noisy = prune(self.samples, list(c.history), self.pruning, step=c.model.step, seed=c.model.config.seed)
        noisy.meta = {}  # as the pipe's, whose noisy rows are text
        write_table(path(epoch, "noisy.jsonl"), noisy)
        if self.llmhd:
            assert c.texts is not None
            judged = c.texts.scores(noisy, path(epoch, "noisy.jsonl"), path(epoch, "judged.jsonl"))
        else:
            judged = Table("judged", noisy.columns, noisy.users, noisy.items)
        return Judged(judged, self.judging, self.pruning.alpha)

    def _counts(self, epoch: int) -> dict[str, int]:
        """How many rows were noisy, candidates, hard and dropped; what was decided in the epoch is written."""
        judged, verdicts, path = self.context.model.judged, self.context.model.verdicts, self.context.journal.epoch_path
        if judged is None or verdicts is None:
            return {}
        if self.staging.live:
            write_table(path(epoch, "judged.jsonl"), judged)
        write_table(path(epoch, "verdicts.jsonl"), verdicts)
        hard = list(verdicts.columns["verdict"]).count("hard")
        candidates = int((judged["candidate"] == 1).sum())
        return {"noisy": len(judged), "candidates": candidates, "hard": hard, "dropped": len(judged) - hard}

    def _update(self, epoch: int) -> int:
        """Let confident pairs correct profiles; how many changed."""
        c, path = self.context, self.context.journal.epoch_path
        assert c.texts is not None
        data = c.texts.profiles, c.dataset, c.texts.items, list(c.history), self.flags, c.model.file()
        result = update_profiles(*data, c.texts.provider, self.pruning, c.plan.profiling)
        self.flags = result.flags
        c.texts.update(result.profiles, path(epoch, "profiles.jsonl"))
        write_table(path(epoch, "profiles.jsonl"), result.profiles)
        write_table(path(epoch, "flags.npz"), result.flags)
        return result.updated
