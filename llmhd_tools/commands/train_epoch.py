"""``llmhd train-epoch``: one epoch of training (or several), and the samples of the next."""

from __future__ import annotations

import hashlib
import math
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.streams import check_binary, check_output, suffix_of
from llmhd_tools.options import (
    Backbone,
    Batch,
    Denoise,
    Device,
    Dim,
    Layers,
    LearningRate,
    Loss,
    ModelSeed,
    Quiet,
    Regularisation,
    Rule,
    Threads,
    ThresholdAlpha,
    Verbose,
    Words,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.sampling import Samples
    from llmhd_tools.files.columns import Column
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.train.config import Config
    from llmhd_tools.train.sharded import ShardedTrainer
    from llmhd_tools.train.trainer import State, Trainer

Path = str | None
GROUPS = ("param", "first", "second", "denoiser")  # of a model's arrays


def command(
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="The model, all that a later epoch needs.", metavar="FILE")
    ],
    model: Annotated[Path, typer.Option("--from", help="Go on from this model.", metavar="FILE")] = None,
    samples: Annotated[
        Path, typer.Option("--samples", help="This epoch's samples; else drawn from the seed.", metavar="FILE")
    ] = None,
    judged: Annotated[
        Path, typer.Option("--judged", help="This epoch's noisy rows; those not hard are dropped.", metavar="FILE")
    ] = None,
    embeddings: Annotated[
        Path, typer.Option("--embeddings", help="Where to write the final embeddings.", metavar="FILE")
    ] = None,
    next_: Annotated[
        Path, typer.Option("--next", help="Where to write the coming epoch's samples.", metavar="FILE")
    ] = None,
    verdicts: Annotated[
        Path, typer.Option("--verdicts", help="Where to write which noisy rows were dropped.", metavar="FILE")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs to train.", min=1)] = 1,
    backbone: Backbone = None,
    denoise: Denoise = None,
    words: Words = None,
    loss: Loss = None,
    dim: Dim = None,
    layers: Layers = None,
    batch: Batch = None,
    lr: LearningRate = None,
    reg: Regularisation = None,
    seed: ModelSeed = None,
    rule: Rule = None,
    threshold_alpha: ThresholdAlpha = 3000.0,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train one epoch, or several, of a recommender.

    Samples of an epoch depend on the seed and the epoch's number alone, so --epochs 3 equals three times one epoch.
    With --judged, the noisy rows that the scores do not call hard stay out of the loss (Eq. 12-16, 23-24). --denoise
    does without scores instead, inside each step. Going on with --from, the model's own settings hold, and another
    training file is refused.

    \b
    Examples:
      llmhd train-epoch train.jsonl --seed 1 -o model-1.npz --embeddings emb-1.npz --next samples-2.npz
      llmhd train-epoch train.jsonl --from model-2.npz --samples samples-3.npz --judged judged-3.jsonl -o model-3.npz
      llmhd train-epoch train.jsonl --backbone sgl --denoise t-ce --set max-drop=0.1 --epochs 20 -o model-20.npz
    """
    from llmhd_tools import console
    from llmhd_tools.commands.loading import read_training
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors

    outputs = [output, embeddings, next_, verdicts]
    for number, path in enumerate(outputs):
        check_output(path, [train, model, samples, judged, *outputs[:number]])
    for path in (output, embeddings):
        check_binary(path)
    if epochs > 1 and (samples or judged or verdicts):
        raise UsageError("--samples, --judged and --verdicts belong to one epoch; leave out --epochs")
    if verdicts and not judged:
        raise UsageError("--verdicts needs --judged: without it nothing is dropped")
    chosen = {
        "backbone": backbone,
        "denoise": denoise,
        "loss": loss,
        "dim": dim,
        "layers": layers,
        "batch": batch,
        "lr": lr,
        "reg": reg,
        "seed": seed,
    }
    start = read_tensors(model, "model") if model else None
    run = open_run(read_training(train), chosen, words or [], device, threads, start)
    if judged and run.config.denoise != "none":
        raise UsageError(
            f"--judged drops samples, and --denoise {run.config.denoise} does it its own way; leave one out"
        )
    table = run.read_samples(samples) if samples else None
    noisy = run.read_judged(judged) if judged else None
    for _ in console.progress(range(epochs), "training", epochs):
        run.train(table, noisy, rule, threshold_alpha)
    if verdicts and run.verdicts is not None:
        write_table(verdicts, run.verdicts)
    if embeddings:
        write_tensors(embeddings, run.embeddings())
    if next_:
        write_table(next_, run.next_samples())
    write_tensors(output, run.model())  # last: with the model there, everything of this epoch is
    console.note(f"train-epoch: epoch {run.trainer.epoch}, loss {run.loss:.6f}{tell(run.verdicts)}")


def tell(verdicts: Table | None) -> str:
    """How many rows were noisy, hard and dropped, as the end of a sentence."""
    if verdicts is None:
        return ""
    hard = verdicts.columns["verdict"].count("hard")  # type: ignore[union-attr]
    return f"; {len(verdicts):,} noisy samples, {hard:,} of them hard and kept, {len(verdicts) - hard:,} dropped"


def settings_of(model: Tensors) -> dict[str, Any]:
    """The training settings that a model keeps. Raises InputError where they are not all there."""
    from llmhd_tools.train.config import Config

    kept = model.meta.get("config")
    types = {name: type(value) for name, value in Config().as_dict().items()}
    if not isinstance(kept, dict) or {name: type(value) for name, value in kept.items()} != types:
        raise InputError("has no settings that this llmhd understands", where=model.source)
    if not {"epoch", "step"} <= model.meta.keys():
        raise InputError("does not say its epoch and step", where=model.source)
    return kept


def open_run(
    training: Training,
    chosen: dict[str, Any],
    words: list[str],
    device: str,
    threads: int | None,
    model: Tensors | None = None,
) -> Run:
    """A run at its start, or where ``model`` left it; ``chosen`` holds the settings that were given, None for the others.

    ``words`` are ``NAME=VALUE`` options of the methods. Raises InputError for a model of another graph, UsageError for
    a setting that contradicts the model's.
    """
    from llmhd_tools.train.config import Config
    from llmhd_tools.train.methods import known, parse, resolve

    if model is None:
        return Run(training, resolve(chosen, words), device, threads)
    kept = settings_of(model)
    if not known(kept):
        raise InputError("has no settings that this llmhd understands", where=model.source)
    config = Config(**kept)
    given = {f"--{k} {v}": (v, getattr(config, k)) for k, v in chosen.items() if v is not None}
    for name, value in parse(config.backbone, config.denoise, words).items():
        given[f"--set {name}={value}"] = (value, config.options[name])
    for told, (value, trained) in given.items():
        if value != trained:
            raise UsageError(f"{told} contradicts {model.source}, which was trained with {trained}; leave it out")
    if model.meta.get("graph") != training.digest:
        raise InputError("was trained on other interactions; go on with the same file", where=model.source)
    return Run(training, config, device, threads, model)


@dataclass
class Run:
    """A training run between epochs: what ``train-epoch`` does once and ``run`` does in a loop."""

    training: Training
    config: Config
    device: str = "auto"
    threads: int | None = None
    start: InitVar[Tensors | None] = None
    loss: float = field(default=math.nan, init=False)

    def __post_init__(self, start: Tensors | None) -> None:
        self.trainer = self._open_trainer(_state_of(start) if start else None)
        self._model = start
        self._made: dict[str, Any] = {}
        self.verdicts: Table | None = None

    def _open_trainer(self, state: State | None) -> Trainer | ShardedTrainer:
        """The trainer of this process, or of all that torchrun started."""
        from llmhd_tools.train.ranks import Ranks
        from llmhd_tools.train.threads import use_threads
        from llmhd_tools.train.trainer import Trainer, pick_device

        self.processes = Ranks.here.size if Ranks.here else 1
        if self.processes > 1:
            from llmhd_tools.train.sharded import ShardedTrainer

            return ShardedTrainer(self.config, self.training.graph, self.device, self.threads, state)
        use_threads(self.threads)
        return Trainer(self.config, self.training.graph, pick_device(self.device), state)

    def train(
        self, table: Table | None = None, judged: Table | None = None, rule: str | None = None, alpha: float = 3000.0
    ) -> None:
        """Train one epoch on ``table`` (else on the epoch's own draw), leaving out the ``judged`` rows that are not hard.

        ``alpha`` is that of the score thresholds. Afterwards ``loss`` and ``verdicts`` tell how it went.
        """
        from llmhd_tools.commands.loading import samples_of
        from llmhd_tools.files.provenance import made

        arrays = samples_of(table) if table else self._draw(self.trainer.epoch + 1)
        params = self.config.as_dict() | {"device": self.trainer.device.type}
        if self.processes > 1:
            params |= {"processes": self.processes}
        inputs = {"train": self.training.digest, "samples": _digest(arrays)}
        if self.trainer.epoch:
            inputs["from"] = self.model().digest()
        keep = self.verdicts = None
        if judged is not None:
            rule = pick_rule(rule, self.config.loss)
            params |= {"rule": rule, "threshold_alpha": alpha}
            inputs["judged"] = judged.digest()
            keep, self.verdicts = decide(judged, arrays, self.trainer.step, rule, alpha)
        self.loss = self.trainer.train(arrays, keep)
        self._made, self._model = made("train-epoch", params, inputs), None
        if self.verdicts is not None:
            self.verdicts.meta = {"epoch": self.trainer.epoch, "made": self._made}

    def _draw(self, epoch: int) -> Samples:
        from llmhd_tools.core.sampling import draw_samples

        return draw_samples(self.training.graph, self.config.loss, self.config.batch, self.config.seed, epoch)

    def _tensors(self, kind: str, arrays: dict[str, Any], **meta: Any) -> Tensors:
        from llmhd_tools.files.tensors import Tensors

        meta = {"epoch": self.trainer.epoch, **meta, "made": self._made}
        return Tensors(kind, arrays, self.training.users, self.training.items, meta)

    def model(self) -> Tensors:
        """All that a later epoch needs."""
        if self._model is None:
            state = self.trainer.state()
            arrays = {
                f"{group}.{name}": array
                for group, named in zip(GROUPS, (state.params, state.first, state.second, state.denoiser), strict=True)
                for name, array in named.items()
            }
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
        from llmhd_tools.files.tables import Table

        samples = self._draw(self.trainer.epoch + 1)
        names = ("batch", "user", "item", "negative", "label")
        columns = {name: column for name in names if (column := getattr(samples, name)) is not None}
        columns["loss"] = self.trainer.losses(samples)
        meta = {
            "epoch": self.trainer.epoch + 1,
            "step": self.trainer.step,
            "graph": self.training.digest,
            "made": self._made,
        }
        return Table("samples", columns, self.training.users, self.training.items, meta)

    def read_samples(self, path: str) -> Table:
        """Read the samples of the coming epoch. Raises InputError for those of other interactions, epoch or objective."""
        from llmhd_tools.files.tables import read_table

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
        from llmhd_tools.files.kinds import read_any
        from llmhd_tools.files.tables import Table, recode

        table = read_any(path, None if suffix_of(path) == ".npz" else "judged")
        if not isinstance(table, Table) or table.kind not in ("judged", "noisy"):
            raise InputError(f"holds {table.kind}, but judged rows are wanted here", where=path)
        table.kind = "judged"
        return recode(table, self.training.users, self.training.items)


def _state_of(model: Tensors) -> State:
    """The training state in a model file. Raises InputError where a part is missing."""
    from llmhd_tools.train.trainer import State

    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for key, array in model.arrays.items():
        group, _, name = key.partition(".")
        if group in groups:
            groups[group][name] = array
    if not groups["param"] or not groups["param"].keys() == groups["first"].keys() == groups["second"].keys():
        raise InputError("lacks parameters or moments", where=model.source)
    for name, param in groups["param"].items():
        for array in (param, groups["first"][name], groups["second"][name]):
            if array.dtype != "float32" or array.shape != param.shape:
                raise InputError(
                    f"parameter '{name}' and its moments are not of one shape, float32", where=model.source
                )
    epoch, step = model.meta["epoch"], model.meta["step"]
    return State(groups["param"], groups["first"], groups["second"], epoch, step, groups["denoiser"])


def _digest(samples: Samples) -> str:
    """What was trained on: the samples' codes, whose ids the graph's digest fixes."""
    digest = hashlib.sha256()
    for column in (samples.batch, samples.user, samples.item, samples.negative, samples.label):
        if column is not None:
            digest.update(column.tobytes())
    return digest.hexdigest()


def pick_rule(rule: str | None, loss: str) -> str:
    """The rule for this objective, the paper's where none is given. Raises UsageError for the other objective's rule."""
    from llmhd_tools.core.hardness import PAIR_RULES, POINT_RULES

    known = PAIR_RULES if loss == "bpr" else POINT_RULES
    if rule is not None and rule not in known:
        raise UsageError(f"--rule {rule} is not for --loss {loss}; choose from {', '.join(known)}")
    return rule or known[0]


def decide(judged: Table, samples: Samples, step: int, rule: str, alpha: float) -> tuple[NDArray[np.bool_], Table]:
    """Which samples of an epoch to keep, (n,) bool, and the verdict on each judged row.

    ``step`` is T of the first batch. Raises InputError for a judged row that is none of the samples.
    """
    import numpy as np

    from llmhd_tools.core.hardness import Thresholds, hard_pairs, hard_points
    from llmhd_tools.files.tables import Table

    rows = _rows_of(judged, samples)
    nothing = np.full(len(judged), np.nan)
    score, negative_score = (judged[name] if name in judged else nothing for name in ("score", "negative_score"))
    at = step + samples.batch[rows]
    if samples.label is None:
        hard = hard_pairs(score, negative_score, at, Thresholds(alpha), rule)
    else:
        hard = hard_points(score, samples.label[rows], at, Thresholds(alpha), rule)
    hard &= judged["candidate"] == 1
    keep = np.ones(len(samples), dtype=bool)
    keep[rows] = hard
    columns: dict[str, Column] = {
        name: judged[name] for name in ("user", "item", "negative", "label") if name in judged
    }
    columns["verdict"] = ["hard" if h else "dropped" for h in hard]
    return keep, Table("verdicts", columns, judged.users, judged.items)


def _rows_of(judged: Table, samples: Samples) -> NDArray[np.int64]:
    """The samples' row of each judged row: as its ``row`` says, else that of its batch which is the same."""
    import numpy as np

    if not len(judged):  # no records, so no fields either
        return np.zeros(0, dtype=np.int64)

    columns = ["batch", "user", "item", "negative" if samples.label is None else "label"]
    for name in columns:
        if name not in judged:
            raise InputError(f"field '{name}' is missing", where=judged.source)
    ours = np.stack([getattr(samples, name) for name in columns], axis=1).astype(np.int64)
    theirs = np.stack([judged[name] for name in columns], axis=1).astype(np.int64)
    if "row" in judged:
        rows = judged["row"]
        wrong = (rows < 0) | (rows >= len(samples))
        wrong[~wrong] = (ours[rows[~wrong]] != theirs[~wrong]).any(1)
    else:
        rows = np.array(_matches(ours.tolist(), theirs.tolist()), dtype=np.int64)
        wrong = rows < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            "is none of this epoch's samples; were these judged for another epoch?", where=judged.where(row)
        )
    return rows


def _matches(ours: list[list[int]], theirs: list[list[int]]) -> list[int]:
    """For each of their rows ours that is equal, -1 without one; of equal rows the k-th goes with the k-th."""
    equal: dict[tuple[int, ...], list[int]] = {}
    for row, key in reversed(list(enumerate(map(tuple, ours)))):
        equal.setdefault(key, []).append(row)
    found = []
    for key in map(tuple, theirs):
        rows = equal.get(key, [-1])
        found.append(rows.pop() if len(rows) > 1 else rows[0])
    return found
