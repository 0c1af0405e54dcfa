"""``llmhd train-epoch``: one epoch of training (or several), and the samples of the next."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.options import (
    Backbone,
    Batch,
    Device,
    Dim,
    Layers,
    LearningRate,
    Loss,
    ModelSeed,
    Quiet,
    Regularisation,
    Rule,
    ThresholdAlpha,
    Threads,
    Verbose,
)

if TYPE_CHECKING:
    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.hardness import Thresholds
    from llmhd_tools.core.sampling import Samples
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.train.config import Config

Path = str | None


def command(
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    output: Annotated[str, typer.Option("-o", "--output", help="The model, all that a later epoch needs.", metavar="FILE")],
    model: Annotated[Path, typer.Option("--from", help="Go on from this model.", metavar="FILE")] = None,
    samples: Annotated[Path, typer.Option("--samples", help="This epoch's samples; else drawn from the seed.", metavar="FILE")] = None,
    judged: Annotated[Path, typer.Option("--judged", help="This epoch's noisy rows, judged; those not hard are dropped.", metavar="FILE")] = None,
    embeddings: Annotated[Path, typer.Option("--embeddings", help="Where to write the final embeddings.", metavar="FILE")] = None,
    next_: Annotated[Path, typer.Option("--next", help="Where to write the coming epoch's samples.", metavar="FILE")] = None,
    verdicts: Annotated[Path, typer.Option("--verdicts", help="Where to write what became of the noisy rows.", metavar="FILE")] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs to train.", min=1)] = 1,
    backbone: Backbone = None,
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
    threads: Threads = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train one epoch, or several, of a recommender.

    Samples of an epoch depend on the seed and the epoch's number alone, so --epochs 3 equals three times one epoch.
    With --judged, the noisy rows that the scores do not call hard stay out of the loss (Eq. 12-16, 23-24). Going on
    with --from, the model's own settings hold, and another training file is refused.

    \b
    Examples:
      llmhd train-epoch train.jsonl --seed 1 -o model-1.npz --embeddings emb-1.npz --next samples-2.npz
      llmhd train-epoch train.jsonl --from model-2.npz --samples samples-3.npz --judged judged-3.jsonl -o model-3.npz
    """
    from llmhd_tools import console
    from llmhd_tools.commands.loading import read_training
    from llmhd_tools.core.hardness import Thresholds
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.files.tensors import read_tensors, write_tensors

    for path in (output, embeddings, next_, verdicts):
        check_output(path, [train, model, samples, judged])
    if epochs > 1 and (samples or judged or verdicts):
        raise UsageError("--samples, --judged and --verdicts belong to one epoch; leave out --epochs")
    chosen = {"backbone": backbone, "loss": loss, "dim": dim, "layers": layers, "batch": batch, "lr": lr, "reg": reg, "seed": seed}
    run = open_run(read_training(train), chosen, device, threads, read_tensors(model, "model") if model else None)
    table = run.read_samples(samples) if samples else None
    noisy = run.read_judged(judged, table) if judged else None
    for _ in console.progress(range(epochs), "training", epochs):
        run.train(table, noisy, rule, Thresholds(threshold_alpha))
    if verdicts:
        write_table(verdicts, run.verdicts())
    if embeddings:
        write_tensors(embeddings, run.embeddings())
    if next_:
        write_table(next_, run.next_samples())
    write_tensors(output, run.model())  # last: with the model there, everything of this epoch is
    console.note(f"train-epoch: epoch {run.trainer.epoch}, loss {run.loss:.6f}{run.counts()}")


def open_run(training: Training, chosen: dict[str, Any], device: str, threads: int, model: Tensors | None = None) -> Run:
    """A run at its start, or where ``model`` left it; ``chosen`` holds the settings that were given, None for the others.

    Raises InputError for a model of another graph, UsageError for a setting that contradicts the model's.
    """
    from llmhd_tools.errors import InputError, UsageError
    from llmhd_tools.train.config import Config

    given = {name: value for name, value in chosen.items() if value is not None}
    if model is None:
        return Run(training, Config(**given), device, threads)
    kept = model.meta.get("config", {})
    if set(kept) != {f.name for f in fields(Config)}:
        raise InputError("has no settings that this llmhd understands", where=model.source)
    for name, value in given.items():
        if value != kept[name]:
            raise UsageError(f"--{name} {value} contradicts {model.source}, which was trained with {kept[name]}; leave it out")
    if model.meta.get("graph") != training.digest:
        raise InputError("was trained on other interactions; go on with the same file", where=model.source)
    return Run(training, Config(**kept), device, threads, model)


@dataclass
class Run:
    """A training run between epochs: what ``train-epoch`` does once and ``run`` does in a loop."""

    training: Training
    config: Config
    device: str = "auto"
    threads: int = 1
    start: Tensors | None = None
    loss: float = field(default=float("nan"), init=False)

    def __post_init__(self) -> None:
        from llmhd_tools.train.trainer import Trainer, pick_device, use_threads

        use_threads(self.threads)
        self.trainer = Trainer(self.config, self.training.graph, pick_device(self.device), state_of(self.start) if self.start else None)
        self._before = self.start.digest() if self.start else None
        self._made: dict[str, Any] = {}
        self._verdicts: Table | None = None

    def train(self, table: Table | None = None, judged: Table | None = None, rule: str | None = None, thresholds: Thresholds | None = None) -> None:
        """Train one epoch on ``table`` (else on the epoch's own draw), leaving out the ``judged`` rows that are not hard."""
        from llmhd_tools.commands.loading import samples_of
        from llmhd_tools.files.provenance import made

        arrays = samples_of(table) if table else self._draw()
        params, inputs = self.config.as_dict() | {"device": self.trainer.device.type}, {"train": self.training.digest}
        if self._before:
            inputs["from"] = self._before
        inputs["samples"] = _digest(arrays)
        keep = self._verdicts = None
        if judged is not None and thresholds is not None:
            keep, self._verdicts = self._decide(judged, arrays, rule, thresholds)
            params |= {"rule": rule, "threshold_alpha": thresholds.alpha}
            inputs["judged"] = judged.digest()
        self.loss = self.trainer.train(arrays, keep)
        self._made = made("train-epoch", params, inputs)
        self._before = None  # told by model(), which knows the new state

    def _draw(self) -> Samples:
        from llmhd_tools.core.sampling import draw_samples

        return draw_samples(self.training.graph, self.config.loss, self.config.batch, self.config.seed, self.trainer.epoch + 1)
