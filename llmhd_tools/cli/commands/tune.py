"""``llmhd tune``: settings tried side by side, chosen on valid."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.cli.options import CONTROL, FILES, File, file, takes
from llmhd_tools.settings import Tuning, is_own

if TYPE_CHECKING:
    from llmhd_tools.files.table import Table
    from llmhd_tools.runs.plan import Inputs

_TEXTS = ("items", "profiles", "vectors", "aligned")


@takes()
def command(
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    valid: Annotated[str, file("--valid", "Validation interactions, by which to choose. There is no --test.")],
    output: Annotated[
        str,
        typer.Option("-o", "--output", help="A folder for the trials.", metavar="FOLDER", rich_help_panel=FILES),
    ],
    tuning: Tuning,
    config: Annotated[
        list[str],
        typer.Option(
            "--config",
            help="TOML with options of `run` (with --fit: of `fit`) that all trials share, or paper or best. Repeat it; later "
            "ones win, and --try wins over all.",
            metavar="FILE|NAME",
            rich_help_panel=FILES,
        ),
    ] = [],  # noqa: B006
    items: Annotated[File, file("--items", "Item texts, as for `run` and `fit`.")] = None,
    profiles: Annotated[File, file("--profiles", "User profiles, as for `run`.")] = None,
    vectors: Annotated[File, file("--vectors", "Vectors of texts (embed, align), as for `run` and `fit`.")] = None,
    aligned: Annotated[File, file("--aligned", "Aligned text vectors, as for `run`.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where the folder's trials were interrupted.", rich_help_panel=CONTROL),
    ] = False,
) -> None:
    """Tune settings on validation data: a grid of values, or some of it.

    Each combination of the values of --try is one trial: a `run` in FOLDER/trial-N, or with --fit a fit in closed form. The
    best is chosen by --select on --valid, and test data have no part in it. FOLDER/trials.jsonl holds what each trial
    reached, FOLDER/best.toml the settings of the best, for `run --config`; the table on stdout has the best first. A
    best value at the edge of what was tried is warned of. With --resume, no trial is done twice.

    Every method of a comparison deserves the same care: the same values, and the same number of trials.

    \b
    Examples:
      llmhd tune train.jsonl --valid valid.jsonl --try lr=.001,.002,.005 --try layers=1,2,3 --try patience=5 -o tuned
      llmhd run train.jsonl --valid valid.jsonl --test test.jsonl --config tuned/best.toml -o runs/tuned
      llmhd tune train.jsonl --valid valid.jsonl --fit ease --try ridge=10,20,50,100,200 -o ease
      llmhd tune train.jsonl --valid valid.jsonl --config best --try lr=.001,.002,.005 --try clean-share=.02,.05,.1 \\
        --try draws=4,16,64 --random 9 --seed 1 -o tuned-best
    """
    from llmhd_tools.files.streams import open_out
    from llmhd_tools.runs.plan import Inputs
    from llmhd_tools.runs.tune import tune

    fixed, named = _read(config, train)
    paths = dict(zip(_TEXTS, (items, profiles, vectors, aligned), strict=True))
    inputs = Inputs.read(train=train, valid=valid, **{name: path or named.get(name) for name, path in paths.items()})
    given: dict[str, Any] = {name: getattr(inputs, name) for name in _TEXTS}
    with ExitStack() as opened:
        if tuning.fit is None:
            given |= _asked(opened, fixed, inputs)
        found = tune(inputs.train, inputs.valid, tuning, folder=output, config=fixed, resume=resume, **given)
    with open_out("-") as out:
        out.write(_table(found, tuning).encode())


def _read(paths: list[str], train: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What TOML files say: choices, and files by name. Raises UsageError for what a file must not say."""
    import os

    from llmhd_tools.errors import UsageError
    from llmhd_tools.settings.configs import read_config

    found: dict[str, Any] = {}
    for path in paths:
        found |= {name.replace("-", "_"): value for name, value in read_config(path).items()}
    for name, value in found.items():
        if name == "scorer" or is_own(value):
            raise UsageError(f"'{name}' of --config runs a program, which a file must not do")
        if name in ("test", "disliked"):
            raise UsageError(f"'{name}' of --config has no part in tuning; leave it out")
    named = {name: str(found.pop(name)) for name in _TEXTS if name in found}
    beside = os.path.dirname(train)
    return found, {n: os.path.join(beside, path[2:]) if path.startswith("@/") else path for n, path in named.items()}


def _asked(opened: ExitStack, fixed: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Who is asked about texts in the trials, where the settings that they share say so."""
    from llmhd_tools.cli.session import session, vector_session
    from llmhd_tools.runs.loop import asks, embeds
    from llmhd_tools.runs.plan import plan_of
    from llmhd_tools.stages.texts import texts_of

    plan, found = plan_of(fixed), dict[str, Any]()
    if inputs.items is not None and asks(plan, vars(inputs)):
        texts = list(texts_of(inputs.items).values())
        found["provider"] = opened.enter_context(session(plan.service, "tune", texts)).provider
    if embeds(plan, vars(inputs)):
        within = found.get("provider")
        found["embedder"] = opened.enter_context(vector_session(plan.service, "tune", None, within)).provider
    return found


def _table(found: Table, tuning: Tuning) -> str:
    """The trials for a terminal, the best first."""
    from llmhd_tools.files.table import to_records
    from llmhd_tools.report.terminal import table
    from llmhd_tools.runs.trials import Space

    records = list(to_records(found))
    names = Space.of(tuning).varied
    sign = 1 if records[0]["metric"] == "loss" else -1
    records.sort(key=lambda one: sign * one["value"] if "value" in one else float("inf"))
    last = ["epoch"] if tuning.fit is None else []
    header = ["trial", *(name.replace("_", "-") for name in names), f"valid {tuning.select}", *last]
    rows = []
    for one in records:
        value = f"{one['value']:.4f}" if "value" in one else "failed"
        cells = [one["trial"], *(one[name] for name in names), value, *(one.get(name, "") for name in last)]
        rows.append([(str(cell), "bold" if one["best"] else "") for cell in cells])
    return table(header, rows)
