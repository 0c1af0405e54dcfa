"""What ``llmhd run`` was told: its options, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from llmhd_tools.cli.options_llm import NAMES, LlmOptions
from llmhd_tools.cli.unused import Uses
from llmhd_tools.files.jsonl import Record
from llmhd_tools.measure.selection import Selection
from llmhd_tools.registry import STAGED
from llmhd_tools.run.denoisers.graph import Cleaning
from llmhd_tools.run.denoisers.llmhni import Inferring
from llmhd_tools.stages.relate import Disputing

_OF_LLM = ("llm", "domain", "templates", "param", "budget", "expected_score")  # those that answers depend on
_MAY_CHANGE = ("epochs", "patience", "threads")  # of a run's settings, when it goes on
_JUDGING = ("rule", "threshold_alpha", "pair_threshold", "positive_threshold", "negative_threshold", "band")


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
    relate_at: int
    lowest: float
    highest: int
    shown: int
    disliked: str | None
    noise: bool
    keep: bool
    device: str
    threads: int | None

    @property
    def chosen(self) -> Record:
        """The training settings that were given."""
        names = ("backbone", "loss", "dim", "layers", "batch", "lr", "reg", "seed")
        chosen = {name: getattr(self, name) for name in names} | {"negatives": self.sampler}
        return chosen | {"denoise": "none" if self.staged else self.denoise}

    @property
    def sampler(self) -> str | None:
        """How negatives are sampled; LLMHNI's own way is semantic."""
        return self.negatives or ("semantic" if self.denoise == "llmhni" else None)

    @property
    def inferring(self) -> Inferring | None:
        """When and how disputed pairs are asked about, if they are."""
        if self.denoise != "llmhni" or not self.relate_at:
            return None
        return Inferring(self.relate_at, Disputing(self.lowest, self.highest, self.shown))

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

    @property
    def embeds(self) -> bool:
        """Whether semantic negatives need vectors that were not given."""
        return self.sampler == "semantic" and self.vectors is None

    @property
    def asking(self) -> bool:
        """Whether texts are embedded, or somebody (--llm) is asked about them."""
        cleaning = self.clean != "none" and self.items is not None and self.text_weight > 0
        return self.denoise == "llmhd" or cleaning or self.embeds or self.inferring is not None

    @property
    def uses(self) -> Uses:
        """Which options count only beside another, and whether they do here. Raises UsageError as ``cleaning``."""
        llmhd, cleaning = self.denoise == "llmhd", self.cleaning is not None
        asking = ("items", "profiles", *NAMES)
        return {
            "--denoise loss or llmhd": (self.staged, ("alpha", "max_noise", "schedule", "warm_up", "live")),
            "--denoise llmhd": (llmhd, ("candidates", "selection", "link", *_JUDGING, "update")),
            "--denoise llmhd with --update": (llmhd and self.update, ("scope", "confidence", "tracked")),
            "--denoise loss or llmhd, or --clean graph": (self.staged or cleaning, ("window",)),
            "--clean graph": (cleaning, ("clean_at", "clean_share", "clean_vectors", "leave_one_out")),
            "--clean graph with texts": (cleaning and bool(self.items or self.clean_vectors), ("text_weight",)),
            "--denoise llmhni": (self.denoise == "llmhni", ("relate_at",)),
            "--denoise llmhni with --relate-at": (self.inferring is not None, ("lowest", "highest", "shown")),
            "--select trimmed": (Selection.parse(self.select, self.trim).trim is not None, ("trim",)),
            "--denoise llmhd or llmhni, --negatives semantic, or --clean graph with --items": (self.asking, asking),
        }

    @property
    def kept(self) -> Record:
        """What a run's folder remembers, and what --resume must not change."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _MAY_CHANGE}
        return own | {name: getattr(self.llm, name) for name in _OF_LLM}
