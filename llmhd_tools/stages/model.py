"""A training run between epochs: what ``train-epoch`` does once and ``run`` does in a loop."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import InitVar, asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.hardness import Thresholds
from llmhd_tools.core.sampling import Samples, draw_negatives, draw_samples
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.provenance import made
from llmhd_tools.files.streams import suffix_of
from llmhd_tools.files.tables import Table, read_table, recode
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.stages.dataset import Training
from llmhd_tools.stages.edges import Drop, Relations, check_relations
from llmhd_tools.stages.judge import decide, pick_rule
from llmhd_tools.stages.live import Judge, Live
from llmhd_tools.stages.model_file import GROUPS, groups_of, settings_of, state_of
from llmhd_tools.stages.samples import samples_of, table_of
from llmhd_tools.train import samplers
from llmhd_tools.train.config import Config
from llmhd_tools.train.distributed.ranks import Ranks
from llmhd_tools.train.distributed.trainer import ShardedTrainer
from llmhd_tools.train.methods import known, parse, resolve
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.state import State, Trust
from llmhd_tools.train.trainer import Trainer, pick_device


def open_run(
    training: Training,
    chosen: dict[str, Any],
    words: list[str],
    device: str,
    threads: int | None,
    model: Tensors | None = None,
    drop: Drop | None = None,
    vectors: Tensors | None = None,
    relations: Relations | None = None,
) -> Run:
    """A run at its start, or where ``model`` left it; ``chosen`` holds the settings that were given, None for the others.

    ``words`` are ``NAME=VALUE`` options of the methods, ``drop`` is as in ``Run.leave_out``. Raises InputError for a
    model of another graph, UsageError for a setting that contradicts the model's.
    """
    if model is None:
        config = resolve(chosen, words)
        return Run(training, config, device, threads, drop=drop, vectors=vectors, relations=relations)
    kept = settings_of(model)
    if not known(kept):
        raise InputError("has no settings that this llmhd understands", where=model.source)
    config = Config(**kept)
    given = {f"--{k} {v}": (v, getattr(config, k)) for k, v in chosen.items() if v is not None}
    for name, value in parse(config, words).items():
        given[f"--set {name}={value}"] = (value, config.options[name])
    for told, (value, trained) in given.items():
        if value != trained:
            raise UsageError(f"{told} contradicts {model.source}, which was trained with {trained}; leave it out")
    if model.meta.get("graph") != training.digest:
        raise InputError("was trained on other interactions; go on with the same file", where=model.source)
    return Run(training, config, device, threads, model, drop, vectors, relations)


@dataclass
class Run:
    """A training run between epochs: what ``train-epoch`` does once and ``run`` does in a loop."""

    training: Training
    config: Config
    device: str = "auto"
    threads: int | None = None
    start: InitVar[Tensors | None] = None
    drop: Drop | None = None
    vectors: Tensors | None = None
    relations: Relations | None = None
    loss: float = field(default=math.nan, init=False)

    def __post_init__(self, start: Tensors | None) -> None:
        if self.relations is not None:
            check_relations(self.config)

        ids = self.training.users, self.training.items
        vectors = self.vectors.aligned(*ids) if self.vectors else None
        self.sampler = samplers.build(self.config, self.training.graph, vectors)
        if start and ((kept := groups_of(start)["sampler"]) or self.sampler.state()):
            self.sampler.restore(kept)
        self.observed, self.kept = self._edges()
        self.trainer = self._open_trainer(state_of(start) if start else None, self.kept)
        self._model = start
        self._made: dict[str, Any] = {}
        self.judged: Table | None = None
        self.verdicts: Table | None = None
        self._trained: Samples | None = None

    def leave_out(self, drop: Drop | None) -> None:
        """Have these pairs leave the graph and the loss from the coming epoch on, and those left out before come back.

        What is a model of these interactions, and what may be a negative, stays as it is.
        """
        self.drop = drop
        self.observed, self.kept = self._edges()
        self.propagate_on(self.kept)

    def correct(self, relations: Relations | None) -> None:
        """Have the graph and the positives corrected by these verdicts, and no others, from the coming epoch on."""
        self.relations = relations
        self.observed, self.kept = self._edges()
        self.propagate_on(self.kept)

    def propagate_on(self, edges: Graph) -> None:
        """Change the edges that the backbone propagates on from the coming epoch on; the samples stay as they are."""
        old = self.trainer.edges
        if not (np.array_equal(edges.user, old.user) and np.array_equal(edges.item, old.item)):
            self.trainer = self._open_trainer(self.trainer.state(), edges)

    def _edges(self) -> tuple[Graph, Graph]:
        """The pairs that are no negatives, and those to propagate on and to learn."""
        graph = self.training.graph
        kept = self.drop.kept(graph) if self.drop else graph
        if self.relations is None:
            return graph, kept
        return self.relations.with_inferred(graph), self.relations.corrected(kept)

    def _gone(self, samples: Samples) -> NDArray[np.bool_] | None:
        """Which samples are of pairs that are left out, (n,) bool; None where none is left out."""
        gone = self.drop.rows(samples) if self.drop else None
        if self.relations is None:
            return gone
        noisy = self.relations.noisy.rows(samples)
        return noisy if gone is None else gone | noisy

    def _open_trainer(self, state: State | None, edges: Graph) -> Trainer | ShardedTrainer:
        """The trainer of this process, or of all that torchrun started."""
        self.processes = Ranks.here.size if Ranks.here else 1
        if self.processes > 1:
            return ShardedTrainer(self.config, self.training.graph, self.device, self.threads, state, edges)
        use_threads(self.threads)
        return Trainer(self.config, self.training.graph, pick_device(self.device), state, edges)

    def train(
        self,
        table: Table | None = None,
        judged: Table | Live | None = None,
        rule: str | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Train one epoch on ``table`` (else on the epoch's own draw), leaving out the ``judged`` rows that are not hard.

        Samples of pairs to leave out fall away, whatever was judged of them. What is judged live is judged in each step.
        Afterwards ``loss``, ``judged``, ``verdicts`` and ``trust()`` tell how it went.
        """
        arrays = samples_of(table) if table else self._draw(self.trainer.epoch + 1)
        rule, thresholds = pick_rule(rule, self.config.loss), thresholds or Thresholds()
        making = self._making(arrays, judged, rule, thresholds)
        gone = self._gone(arrays)
        keep, judge, self.judged, self.verdicts = None, None, None, None
        if judged is not None and not isinstance(judged, Live):
            self.judged = judged
            keep, self.verdicts = decide(judged, arrays, self.trainer.step, rule, thresholds, gone)
        if gone is not None and gone.any():
            if gone.all():
                source = table.source if table else "the epoch's draw"
                raise InputError(
                    "holds no sample of a pair that is not dropped; nothing is left to learn", where=source
                )
            arrays, keep = arrays.take(~gone), None if keep is None else keep[~gone]
        if isinstance(judged, Live):
            judge = Judge(judged, self.training, arrays, self.trainer.step, rule, thresholds)
        self.loss = self.trainer.train(arrays, judge or keep)
        self._trained = arrays
        if self.sampler.scored:
            self.sampler.end_epoch(self.observed, self.trainer.epoch, self.trainer.embeddings())
        self._made, self._model = making, None
        if judge:
            self.judged, self.verdicts = judge.record()
            self.judged.meta = {"epoch": self.trainer.epoch, "made": making}
        if self.verdicts is not None:
            self.verdicts.meta = {"epoch": self.trainer.epoch, "made": making}

    def trust(self) -> Trust | None:
        """How far the denoiser inside the step believed the pairs of the last epoch, see ``Trainer.trust``."""
        return None if self._trained is None else self.trainer.trust(self._trained)

    def _making(
        self, samples: Samples, judged: Table | Live | None, rule: str, thresholds: Thresholds
    ) -> dict[str, Any]:
        """The record of how the coming epoch is made."""
        params = self.config.as_dict() | {"device": self.trainer.device.type}
        if self.processes > 1:
            params |= {"processes": self.processes}
        inputs: dict[str, str | list[str]] = {"train": self.training.digest, "samples": _digest(samples)}
        if self.trainer.epoch:
            inputs["from"] = self.model().digest()
        if judged is not None:
            params |= {"rule": rule, "thresholds": asdict(thresholds)}
        if isinstance(judged, Live):
            params |= judged.params()
            inputs |= judged.inputs()
        elif judged is not None:
            inputs["judged"] = judged.digest()
        if self.drop is not None:
            params |= self.drop.params
            inputs["drop"] = self.drop.digest
        if self.relations is not None:
            inputs["relations"] = self.relations.noisy.digest
        if self.vectors is not None:
            inputs["vectors"] = self.vectors.digest()
        return made("train-epoch", params, inputs)

    def _draw(self, epoch: int) -> Samples:

        c, draw = self.config, draw_negatives
        if self.sampler.scored and self.trainer.epoch:
            draw = functools.partial(self.sampler.draw, z=self.trainer.embeddings())
        return draw_samples(self.observed, c.loss, c.batch, c.seed, epoch, self.kept, draw)

    def _tensors(self, kind: str, arrays: dict[str, Any], **meta: Any) -> Tensors:

        meta = {"epoch": self.trainer.epoch, **meta, "made": self._made}
        return Tensors(kind, arrays, self.training.users, self.training.items, meta)

    def model(self) -> Tensors:
        """All that a later epoch needs."""
        if self._model is None:
            state = self.trainer.state()
            parts: tuple[dict[str, Any], ...] = (state.params, state.first, state.second, state.denoiser)
            groups = zip(GROUPS, (*parts, self.sampler.state()), strict=True)
            arrays = {f"{group}.{name}": array for group, named in groups for name, array in named.items()}
            self._model = self._tensors(
                "model", arrays, step=state.step, config=self.config.as_dict(), graph=self.training.digest
            )
        return self._model

    def embeddings(self) -> Tensors:
        """Final embeddings of the finished epoch."""
        users, items = self.trainer.embeddings()
        return self._tensors("embeddings", {"user": users, "item": items})

    def next_samples(self) -> Table:
        """The samples of the coming epoch, with their losses under the model as it is now."""
        samples = self._draw(self.trainer.epoch + 1)
        table = table_of(samples, self.trainer.losses(samples), self.training)
        table.meta = {
            "epoch": self.trainer.epoch + 1,
            "step": self.trainer.step,
            "graph": self.training.digest,
            "made": self._made,
        }
        return table

    def read_samples(self, path: str) -> Table:
        """Read the samples of the coming epoch. Raises InputError for those of other interactions, epoch or objective."""
        table = read_table(path, "samples", users=self.training.users, items=self.training.items)
        if table.meta.get("graph", self.training.digest) != self.training.digest:
            raise InputError("holds samples of other interactions than the training file's", where=path)
        epoch = table.meta.get("epoch", self.trainer.epoch + 1)
        if epoch != self.trainer.epoch + 1:
            raise InputError(
                f"holds the samples of epoch {epoch}, but epoch {self.trainer.epoch + 1} comes next", where=path
            )
        if ("negative" in table) != (self.config.loss == "bpr"):
            raise InputError(f"does not hold the samples that --loss {self.config.loss} needs", where=path)
        return table

    def read_judged(self, path: str) -> Table:
        """Read judged rows, or noisy ones that nobody judged (none of them is hard)."""
        table = read_any(path, None if suffix_of(path) == ".npz" else "judged")
        if not isinstance(table, Table) or table.kind not in ("judged", "noisy"):
            raise InputError(f"holds {table.kind}, but judged rows are wanted here", where=path)
        table.kind = "judged"
        return recode(table, self.training.users, self.training.items)


def _digest(samples: Samples) -> str:
    """What was trained on: the samples' codes, whose ids the graph's digest fixes."""
    digest = hashlib.sha256()
    for column in (samples.batch, samples.user, samples.item, samples.negative, samples.label):
        if column is not None:
            digest.update(column.tobytes())
    return digest.hexdigest()
