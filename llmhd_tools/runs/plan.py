"""What a run is told: choices and inputs, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors, read_tensors
from llmhd_tools.llm.open import SERVICE, split_spec
from llmhd_tools.measure.selection import Selection
from llmhd_tools.registry import STAGED
from llmhd_tools.settings import (
    Cleaning,
    Inferring,
    Judging,
    Machine,
    Measuring,
    Model,
    Needs,
    Profiles,
    Pruning,
    Relating,
    Section,
    Service,
    Shuffling,
    Staging,
    Stopping,
    Suspecting,
    choices_of,
    pick,
)
from llmhd_tools.stages.dataset import counted
from llmhd_tools.stages.judge import parse_thresholds
from llmhd_tools.stages.scorer import parse
from llmhd_tools.stages.texts import check_texts, shuffle_texts, shuffle_vectors, texts_of

ASKING: tuple[Needs, ...] = (  # where texts are embedded, or somebody is asked about them
    {"denoise": "llmhd"},
    {"denoise": "llmhni", "relate_at": True},
    {"denoise": "llmhni", "aligned": False},
    {"negatives": "semantic", "aligned": False},
    {"clean": ("graph", "soft"), "items": True, "text_weight": True},
)


@dataclass(frozen=True)
class Plan:
    """All choices of a run. Raises UsageError where they do not fit together."""

    model: Model = field(default_factory=Model)
    machine: Machine = field(default_factory=Machine)
    stopping: Stopping = field(default_factory=Stopping)
    measuring: Measuring = field(default_factory=Measuring)
    staging: Staging = field(default_factory=Staging)
    pruning: Pruning = field(default_factory=Pruning)
    judging: Judging = field(default_factory=Judging)
    profiling: Profiles = field(default_factory=Profiles)
    cleaning: Cleaning = field(default_factory=Cleaning)
    suspecting: Suspecting = field(default_factory=Suspecting)
    inferring: Inferring = field(default_factory=Inferring)
    relating: Relating = field(default_factory=Relating)
    service: Service = field(default_factory=Service)
    shuffling: Shuffling = field(default_factory=Shuffling)
    scorer: str | None = None  # a program that judges in the place of ``score``
    noise: bool = False  # whether to measure against known noise
    keep: bool = False  # whether to keep every epoch's files
    title: str | None = None  # of the method, in tables

    def __post_init__(self) -> None:
        Selection.parse(self.stopping.select)
        parse_thresholds(self.judging, self.pruning.alpha)
        epochs = self.stopping.epochs
        if self.model.denoise == "llmhni" and self.inferring.relate_at >= epochs:
            at = self.inferring.relate_at
            raise UsageError(f"`relate_at` {at} leaves no epoch on the corrected graph within `epochs` {epochs}")
        if self.cleans and self.clean_epochs[0] >= epochs:
            raise UsageError(
                f"`clean_at` {self.clean_epochs[0]} leaves no epoch on the clean graph within `epochs` {epochs}"
            )
        if self.scorer is not None:
            parse(self.scorer)
            if self.shuffling.shuffle_texts is not None:
                raise UsageError(
                    "`scorer` reads the texts from their file, which `shuffle_texts` leaves; leave one out"
                )
            if self.staging.live and self.model.denoise == "llmhd":
                raise UsageError("`scorer` is started once an epoch, and `live` asks in each step; leave one out")

    @property
    def staged(self) -> bool:
        """Whether stages before the training step denoise, not the step itself."""
        return self.model.denoise in STAGED

    @property
    def sampler(self) -> str | None:
        """How negatives are sampled; LLMHNI's own way is semantic."""
        return self.model.negatives or ("semantic" if self.model.denoise == "llmhni" else None)

    @property
    def training(self) -> Model:
        """The choices that the trainer gets."""

        return replace(self.model, negatives=self.sampler, denoise="none" if self.staged else self.model.denoise)

    @property
    def cleans(self) -> bool:
        """Whether the graph is cleaned."""
        return self.cleaning.clean != "none"

    @property
    def clean_epochs(self) -> list[int]:
        """After which epochs to clean. Raises UsageError where that is no list of epochs."""
        at = self.cleaning.clean_at
        found = sorted({int(part) if part.strip().isdecimal() else 0 for part in at.split(",")})
        if found[0] < 1:
            raise UsageError(f"`clean_at` '{at}' is not a list of epochs such as 8,16")
        return found

    @property
    def relates(self) -> bool:
        """Whether disputed pairs are asked about."""
        return self.model.denoise == "llmhni" and self.inferring.relate_at > 0

    def record(self) -> Record:
        """The choices that the result depends on, by name."""
        kept: Record = {"scorer": self.scorer, "noise": self.noise, "keep": self.keep, "title": self.title}
        for f in fields(self):
            section: Any = getattr(self, f.name)
            if isinstance(section, Section):
                specs, values = choices_of(type(section)), asdict(section)
                kept |= {name: values[name] for name, spec in specs.items() if spec.decides}
        kept["set"] = list(kept["set"])
        kept["param"] = list(kept["param"])
        return kept


def plan_of(choices: Mapping[str, Any]) -> Plan:
    """The plan that some choices name, whatever their sections. Raises UsageError for a name that is no choice."""
    left = dict(choices)
    sections: dict[str, Any] = {}
    for f in fields(Plan):
        section = getattr(f, "default_factory", None)
        if isinstance(section, type) and issubclass(section, Section):
            own = {name: left.pop(name) for name in choices_of(section) if name in left}
            sections[f.name] = pick(section, None, own)
    plain: dict[str, Any] = {
        f.name: left.pop(f.name) for f in fields(Plan) if f.name in left and f.name not in sections
    }
    if left:
        raise UsageError(f"there is no choice '{min(left)}' of a run")
    return Plan(**sections, **plain)


@dataclass(frozen=True)
class Inputs:
    """The data of a run. ``vectors`` are those of the items' texts, ``aligned`` of users and items."""

    train: Table
    valid: Table
    test: Table | None = None
    items: Table | None = None
    profiles: Table | None = None
    disliked: Table | None = None
    vectors: Tensors | None = None
    aligned: Tensors | None = None

    def __post_init__(self) -> None:
        """Raises InputError where the texts are those of another dataset."""
        for side, ids, texts in (
            ("item", self.train.items, self.items),
            ("user", self.train.users, self.profiles),
        ):
            if texts is not None:
                check_texts(side, ids, texts_of(texts), texts.source)

    @classmethod
    def read(cls, **paths: str | None) -> Inputs:
        """The inputs from files, by name."""
        kinds = {"items": "items", "profiles": "profiles", "vectors": "vectors", "aligned": "vectors"}
        found: dict[str, Any] = {}
        for name, path in paths.items():
            if path is not None:
                read = read_tensors if name in ("vectors", "aligned") else read_table
                found[name] = read(path, kinds.get(name, "interactions"))
        return cls(**found)

    def shuffled(self, seed: int | None) -> Inputs:
        """The same with texts and vectors in others' places; None leaves them as they are."""
        changed: dict[str, Any] = {}
        for name, shuffle in (("items", shuffle_texts), ("vectors", shuffle_vectors), ("aligned", shuffle_vectors)):
            if (given := getattr(self, name)) is not None:
                changed[name] = shuffle(given, seed)
        return replace(self, **changed)

    def files(self) -> Record:
        """Where each lies, as far as it was read from a file."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value.source if value is not None else None for name, value in given.items()}

    def digests(self) -> Record:
        """Of what counts in each: of interactions who touched what, and the weights of training; of the others all."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        pairs = ("user", "item")
        return {
            name: value.digest(*(counted(value) if name == "train" else pairs))
            if isinstance(value, Table) and value.kind == "interactions"
            else value.digest()
            for name, value in given.items()
            if value is not None
        }


def check_inputs(plan: Plan, given: Any) -> None:
    """Raise UsageError where a plan needs an input that is not ``given`` (a value by name), or none reads one that is."""
    denoise = plan.model.denoise
    if denoise == "llmhd" and given["items"] is None:
        raise UsageError("`denoise` llmhd judges texts; give the items' with `items`")
    if plan.relates and given["items"] is None:
        raise UsageError("`denoise` llmhni asks about texts; give `items`, or ask nothing with `relate_at` 0")
    if given["disliked"] is not None and given["test"] is None:
        raise UsageError("`disliked` is measured beside `test`; give both")
    if plan.scorer is not None and denoise != "llmhd" and not (plan.cleans and given["items"] is not None):
        raise UsageError("`scorer` judges for `denoise` llmhd, and for `clean` graph with `items`")
    if plan.sampler == "semantic" and given["aligned"] is None:
        if given["items"] is None:
            raise UsageError("`negatives` semantic compares texts; give aligned vectors with `aligned`, or `items`")
        if split_spec(plan.service.llm)[0] == SERVICE:
            raise UsageError("a chat model makes no vectors; run `llmhd embed` and `llmhd align`, and give `aligned`")


def check_noise(plan: Plan, train: Table) -> None:
    """Raise InputError where known noise is to be measured, and no row is marked."""
    if plan.noise and "noise" not in train:
        raise InputError("has no 'noise' marks for `noise` to measure against", where=train.source)
