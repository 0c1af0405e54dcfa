"""The loop behind ``run``: an epoch with denoisers around it, measured and kept, until no better one comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from llmhd_tools import notes
from llmhd_tools.files.folder import locked
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.tensors import read_tensors, write_tensors
from llmhd_tools.llm.requests import Provider, TextProvider
from llmhd_tools.runs.denoisers import Context, Denoiser
from llmhd_tools.runs.denoisers.graph import CleanGraph
from llmhd_tools.runs.denoisers.llmhd import ByLoss
from llmhd_tools.runs.denoisers.llmhni import CorrectedGraph
from llmhd_tools.runs.journal import Journal
from llmhd_tools.runs.measuring import Measurer
from llmhd_tools.runs.plan import ASKING, Inputs, Plan, check_inputs
from llmhd_tools.runs.texts import Texts
from llmhd_tools.settings import asked_for
from llmhd_tools.settings.spans import Span, steps_of
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.judge import pick_rule, tell
from llmhd_tools.stages.model import Model
from llmhd_tools.stages.model_file import config_of
from llmhd_tools.train.methods import load


def run_plan(
    plan: Plan,
    inputs: Inputs,
    folder: str,
    provider: Provider | None = None,
    embedder: TextProvider | None = None,
    *,
    resume: bool = False,
    unused: str = "",
) -> list[Record]:
    """Train to the end in ``folder``; the metrics of the best epoch on test.

    ``provider`` answers about texts and ``embedder`` makes their vectors, where the plan asks (``asks``, ``embeds``).
    ``unused`` is a note for when all that the run needs is there. Raises UsageError and InputError where plan, inputs and
    folder do not fit.
    """
    check_inputs(plan, vars(inputs))
    with locked(folder):
        settings = plan.record() | inputs.files() | {"digests": inputs.digests()}
        journal = Journal(folder, settings, plan.staging.window, plan.keep)
        journal.take_up(resume)
        loop = _open(plan, inputs.shuffled(plan.shuffling.shuffle_texts), journal, provider, embedder)
        if unused:
            notes.note(unused)
        return loop.run()


def asks(plan: Plan, given: Record) -> bool:
    """Whether somebody is asked about texts; ``given`` are the inputs by name."""
    there = {name: value is not None for name, value in given.items()}
    return there["items"] and asked_for(ASKING, plan.record() | there)


def embeds(plan: Plan, given: Record) -> bool:
    """Whether texts are to be embedded: semantic negatives need vectors that were not given."""
    return plan.sampler == "semantic" and given["aligned"] is None


def _open(
    plan: Plan, inputs: Inputs, journal: Journal, provider: Provider | None, embedder: TextProvider | None
) -> Loop:
    """All that the loop needs, checked before the folder becomes a run's."""
    done, given = journal.progress.epoch, vars(inputs)
    dataset = dataset_of(inputs.train)
    model_file = journal.path(f"epoch-{done}", "model.npz")
    start = read_tensors(model_file, "model") if done else None
    config = config_of(plan.training, dataset, start)
    pick_rule(plan.judging.rule, config.loss)
    measurer = Measurer(plan, inputs, dataset, config)
    texts = None
    if asks(plan, given):
        assert provider is not None and inputs.items is not None
        texts = Texts(journal, dataset, inputs.items, inputs.profiles, provider, plan.scorer)
    aligned = inputs.aligned
    if embeds(plan, given):
        assert texts is not None and embedder is not None
        aligned = texts.vectors(inputs.train, embedder, config.seed)
    vectors = inputs.vectors if load("backbone", config.backbone).texts else None
    model = Model(dataset, plan.training, machine=plan.machine, start=start, vectors=vectors, aligned=aligned)
    journal.begin()
    history = deque(maxlen=plan.staging.window)  # type: ignore[var-annotated]
    if keeps_history := plan.staged or plan.cleans:
        for epoch in range(max(1, done - plan.staging.window + 1), done + 1):
            history.append(read_tensors(journal.path(f"epoch-{epoch}", "embeddings.npz"), "embeddings"))
    context = Context(plan, journal, dataset, model, texts, inputs.vectors, history)
    loop = Loop(context, _denoisers(context), measurer, keeps_history)
    for denoiser in loop.denoisers if done else ():
        denoiser.resume(done)
    return loop


def _denoisers(context: Context) -> list[Denoiser]:
    """The denoisers between epochs that a plan names, in the order in which they work."""
    plan = context.plan
    chosen = ((CleanGraph, plan.cleans), (CorrectedGraph, plan.relates), (ByLoss, plan.staged))
    return [denoiser(context) for denoiser, wanted in chosen if wanted]


@dataclass
class Loop:
    """One run in one folder, ready to go on."""

    context: Context
    denoisers: list[Denoiser]
    measurer: Measurer
    keeps_history: bool

    def run(self) -> list[Record]:
        """Train to the end; the records of the best epoch on test."""
        stopping, journal = self.context.plan.stopping, self.context.journal
        try:
            while journal.progress.epoch < stopping.epochs and (
                journal.progress.epoch - journal.progress.best_epoch < stopping.patience
            ):
                self._epoch(journal.progress.epoch + 1)
        except KeyboardInterrupt:
            notes.note(f"stopped after epoch {journal.progress.epoch}; the same words with `resume` go on")
            raise
        found = self.measurer.best(read_tensors(journal.path("best.npz"), "embeddings"), self.context.model)
        journal.finish(found)
        best = journal.progress
        notes.note(f"best epoch {best.best_epoch}, valid {stopping.select} {abs(best.best):.4f}")
        for hint in self._hints():
            notes.note(hint)
        return found

    def _hints(self) -> Iterator[str]:
        """What speaks against taking the run's figures for the method's."""
        plan, best = self.context.plan, self.context.journal.progress.best_epoch
        if best == plan.stopping.epochs:
            yield f"the best epoch is the last of `epochs` {best}; more may be better still"
        if plan.cleans and best <= plan.clean_epochs[0]:
            yield f"the best epoch came before the first cleaning, after epoch {plan.clean_epochs[0]}; lower `clean_at`"
        model = self.context.model
        spans: dict[str, Span] = {"`alpha`": plan.pruning.alpha} if plan.staged else {}
        if "ramp" in (options := model.config.options):
            spans["`set` ramp"] = options["ramp"]
        for name, span in spans.items():
            if model.step < steps_of(span, model.step / model.epoch) / 2:
                ended = f"epoch {model.epoch:,}" if isinstance(span, str) else f"step {model.step:,}"
                told = span if isinstance(span, str) else f"{span:,.0f}"
                yield f"the noisy share had hardly grown: the run ended at {ended} of {name} {told}; lower it"

    def _epoch(self, epoch: int) -> None:
        """One epoch: denoisers before, training, denoisers after, measures."""
        started, model, journal = time.perf_counter(), self.context.model, self.context.journal
        journal.open_epoch(epoch)
        before = [denoiser.before(epoch) for denoiser in self.denoisers]
        samples, judge = next((found for found in before if found[1]), (None, None))
        z = model.train(samples, judge)
        write_tensors(journal.epoch_path(epoch, "embeddings.npz"), z)
        if self.keeps_history:
            self.context.history.append(z)
        counts: dict[str, int] = {}
        for denoiser in self.denoisers:
            counts |= denoiser.after(epoch)
        write_tensors(journal.epoch_path(epoch, "model.npz"), model.file())
        records, value = self.measurer.epoch(z, model, counts)
        better = journal.commit(epoch, value, z, records)
        told = f"epoch {epoch}: loss {model.loss:.4f}, valid {self.context.plan.stopping.select} {abs(value):.4f}"
        told += f"{'*' if better else ' '}{tell(model.verdicts)}{model.edges.tell()}"
        if "updated-profiles" in counts:
            told += f"; {counts['updated-profiles']:,} profiles updated"
        notes.note(f"{told} ({time.perf_counter() - started:.1f} s)")
