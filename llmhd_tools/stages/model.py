"""A recommender between epochs: what ``train-epoch`` trains once and ``run`` in a loop."""

from __future__ import annotations

import functools
import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Mask
from llmhd_tools.core.sampling import Samples, draw_negatives, draw_samples
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Machine, pick
from llmhd_tools.settings import Model as Choices
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.edges import Edges, weights_of
from llmhd_tools.stages.judge import Judge, Judged
from llmhd_tools.stages.model_file import config_of, groups_of, state_of, to_arrays
from llmhd_tools.stages.samples import samples_of, table_of
from llmhd_tools.stages.texts import shuffle_of
from llmhd_tools.train import samplers
from llmhd_tools.train.devices import pick_device
from llmhd_tools.train.distributed.ranks import Ranks
from llmhd_tools.train.distributed.trainer import ShardedTrainer
from llmhd_tools.train.methods import load
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.state import State, Trust
from llmhd_tools.train.trainer import Trainer


class Model:
    """A recommender of a dataset, after some finished epochs.

    After an epoch ``loss`` is its mean loss, ``judged`` and ``verdicts`` what was judged of its samples (None: nothing).
    """

    def __init__(
        self,
        dataset: Dataset,
        how: Choices | None = None,
        *,
        machine: Machine | None = None,
        start: Tensors | None = None,
        edges: Edges | None = None,
        vectors: Tensors | None = None,
        aligned: Tensors | None = None,
        **choices: Any,
    ) -> None:
        """At its beginning, or where the file ``start`` left it.

        ``edges`` says which pairs left or joined the graph. ``vectors`` are of the items' texts, for backbones that are made
        of them, and ``aligned`` of users' and items', for semantic negatives. ``choices`` are those of ``settings.Model``
        by name. Raises InputError where ``start`` is of another dataset or not whole, UsageError where a choice
        contradicts it, DeviceError where there is no such device.
        """
        self.dataset, self.machine = dataset, machine or Machine()
        self.config = config = config_of(pick(Choices, how, choices), dataset, start)
        self.edges, self.vectors, self.aligned = edges or Edges(), vectors, aligned
        self.edges.check(config.denoise)
        if vectors is not None and not load("backbone", config.backbone).texts:
            raise UsageError(f"`backbone` {config.backbone} looks at no texts; leave out `vectors`")
        relevance = aligned.aligned(dataset.users, dataset.items) if aligned else None
        self.sampler = samplers.build(config, dataset.graph, relevance)
        if start and ((kept := groups_of(start)["sampler"]) or self.sampler.state()):
            self.sampler.restore(kept)
        self.processes = Ranks.here.size if Ranks.here else 1
        self.trainer = self._open_trainer(state_of(start) if start else None)
        self.loss = math.nan
        self.judged: Table | None = None
        self.verdicts: Table | None = None
        self._file = start
        self._z: Tensors | None = None
        self._made: dict[str, Any] = {}
        self._trained: Samples | None = None

    @property
    def epoch(self) -> int:
        """The last finished epoch."""
        return self.trainer.epoch

    @property
    def step(self) -> int:
        """T, the optimiser's steps so far."""
        return self.trainer.step

    def change_edges(self, edges: Edges) -> None:
        """Have these pairs, and no others, leave or join graph and loss from the coming epoch on.

        What is a model of this dataset, and what may be a negative, stays as it is.
        """
        old, before, self.edges = self.trainer.edges, self._weights(), edges
        new, weights = edges.learnt(self.dataset.graph), self._weights()
        reweighed = before is not None or weights is not None
        if reweighed or not (np.array_equal(new.user, old.user) and np.array_equal(new.item, old.item)):
            self.trainer = self._open_trainer(self.trainer.state())
            self._z = None  # what the coming draw looks at is propagated on the new edges

    def _weights(self) -> NDArray[np.float64] | None:
        return weights_of(self.dataset, self.edges.drop)

    def _open_trainer(self, state: State | None) -> Trainer | ShardedTrainer:
        """The trainer of this process, or of all that torchrun started."""
        graph, edges = self.dataset.graph, self.edges.learnt(self.dataset.graph)
        weights = self._weights()
        if self.processes > 1:
            if weights is not None:
                raise UsageError("weights of pairs are for one process; leave out torchrun, or the column `weight`")
            return ShardedTrainer(self.config, graph, self.machine.device, self.machine.threads, state, edges)
        use_threads(self.machine.threads)
        texts = self.vectors.rows("item", self.dataset.items) if self.vectors else None
        return Trainer(self.config, graph, pick_device(self.machine.device), state, edges, texts, weights)

    def train(self, samples: Table | None = None, judge: Judge | Table | None = None, **choices: Any) -> Tensors:
        """Train one epoch on ``samples`` (else on the epoch's own draw), without what the judge drops; its embeddings.

        A table of judged rows is judged by the ``choices``, see ``Judged``. Samples of pairs that left the graph fall
        away, whatever is judged of them.
        """
        judge = Judged(judge, **choices) if isinstance(judge, Table) else judge
        arrays = samples_of(samples) if samples else self._draw(self.epoch + 1)
        making = self._making(arrays, judge)
        gone = self._gone(arrays, samples.source if samples else "the epoch's draw")
        keep, report = judge.begin(arrays, self.step, self.dataset, gone) if judge else (None, None)
        self._trained = arrays if gone is None else arrays.take(~gone)
        self.loss = self.trainer.train(self._trained, keep)
        self._made, self._file, self._z = making, None, None
        if self.sampler.scored:
            self.sampler.end_epoch(self.edges.observed(self.dataset.graph), self.epoch, self._embeddings())
        self.judged, self.verdicts = report() if report else (None, None)
        for table in (self.judged, self.verdicts):
            if table is not None:
                table.meta = {"epoch": self.epoch, "made": making}
        return self.embeddings()

    def _gone(self, samples: Samples, source: str) -> Mask | None:
        """Which samples are of pairs that left, (n,) bool; None where none is. Raises InputError where all are."""
        gone = self.edges.gone(samples)
        if gone is None or not gone.any():
            return None
        if gone.all():
            raise InputError("holds no sample of a pair that is not dropped; nothing is left to learn", where=source)
        return gone

    def trust(self) -> Trust | None:
        """How far the denoiser inside the step believed the pairs of the last epoch, see ``Trainer.trust``."""
        return None if self._trained is None else self.trainer.trust(self._trained)

    def _making(self, samples: Samples, judge: Judge | None) -> dict[str, Any]:
        """The record of how the coming epoch is made."""
        params = self.config.as_dict() | {"device": self.trainer.device.type} | self.edges.params()
        params |= shuffle_of(self.vectors, self.aligned)
        if self.processes > 1:
            params["processes"] = self.processes
        inputs: dict[str, str | list[str]] = {"train": self.dataset.digest, "samples": _digest(samples)}
        if self.epoch:
            inputs["from"] = self.file().digest()
        if judge is not None:
            params |= judge.params(self.config.loss, samples)
            inputs |= judge.inputs()
        for name, texts in (("vectors", self.vectors), ("aligned", self.aligned)):
            if texts is not None:
                inputs[name] = texts.digest()
        return made("train-epoch", params, inputs | self.edges.inputs())

    def _draw(self, epoch: int) -> Samples:
        c, draw, graph = self.config, draw_negatives, self.dataset.graph
        observed = self.edges.observed(graph)
        if c.loss != "softmax" and len(full := observed.full_users()):
            more = f" and {len(full) - 3:,} more" if len(full) > 3 else ""
            raise InputError(
                f"user {', '.join(map(repr, self.dataset.users.take(full[:3])))}{more} touched every item, "
                "so no negative can be drawn; leave such users out, or learn by `loss` softmax, which draws none"
            )
        if self.sampler.scored and self.epoch:
            draw = functools.partial(self.sampler.draw, z=self._embeddings())
        return draw_samples(observed, c.loss, c.batch, c.seed, epoch, self.edges.learnt(graph), draw)

    def _embeddings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        arrays = self.embeddings().arrays
        return arrays["user"], arrays["item"]

    def _tensors(self, kind: str, arrays: dict[str, Any], **meta: Any) -> Tensors:
        meta = {"epoch": self.epoch, **meta, "made": self._made}
        return Tensors(kind, arrays, self.dataset.users, self.dataset.items, meta)

    def file(self) -> Tensors:
        """All that a later epoch needs."""
        if self._file is None:
            arrays = to_arrays(self.trainer.state(), self.sampler.state())
            config, graph = self.config.as_dict(), self.dataset.digest
            self._file = self._tensors("model", arrays, step=self.step, config=config, graph=graph)
        return self._file

    def embeddings(self) -> Tensors:
        """Final embeddings of the finished epoch."""
        if self._z is None:
            users, items = self.trainer.embeddings()
            self._z = self._tensors("embeddings", {"user": users, "item": items})
        return self._z

    def draw(self) -> Table:
        """The samples of the coming epoch, with their losses under the model as it is now."""
        samples = self._draw(self.epoch + 1)
        table = table_of(samples, self.trainer.losses(samples), self.dataset)
        place = {"epoch": self.epoch + 1, "step": self.step, "graph": self.dataset.digest}
        table.meta = place | {"made": self._made}
        return table

    def read_samples(self, path: str) -> Table:
        """Read the samples of the coming epoch. Raises InputError for those of other interactions, epoch or objective."""
        table = read_table(path, "samples", users=self.dataset.users, items=self.dataset.items)
        if table.meta.get("graph", self.dataset.digest) != self.dataset.digest:
            raise InputError("holds samples of other interactions than the training file's", where=path)
        epoch, coming = table.meta.get("epoch", self.epoch + 1), self.epoch + 1
        if epoch != coming:
            raise InputError(f"holds the samples of epoch {epoch}, but epoch {coming} comes next", where=path)
        if ("negative" in table) != (self.config.loss == "bpr"):
            raise InputError(f"does not hold the samples that `loss` {self.config.loss} needs", where=path)
        return table


def _digest(samples: Samples) -> str:
    """What was trained on: the samples' codes, whose ids the graph's digest fixes."""
    digest = hashlib.sha256()
    for column in (samples.batch, samples.user, samples.item, samples.negative, samples.label):
        if column is not None:
            digest.update(column.tobytes())
    return digest.hexdigest()
