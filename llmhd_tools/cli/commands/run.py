"""``llmhd run``: the whole loop in one process, with the same files as the pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli import configs
from llmhd_tools.cli.options import CONTROL, FILES, File, file, find_unused, takes
from llmhd_tools.settings import (
    ONE_BY_ONE,
    Cleaning,
    Inferring,
    Judging,
    Machine,
    Measuring,
    Model,
    Profiles,
    Pruning,
    Relating,
    Service,
    Shuffling,
    Staging,
    Stopping,
    Suspecting,
)

# Where texts are embedded, or somebody is asked about them.
_ASKING = (
    {"denoise": "llmhd"},
    {"denoise": "llmhni"},
    {"negatives": "semantic"},
    {"clean": ("graph", "soft"), "items": True, "text_weight": True},
)


@takes(
    without=ONE_BY_ONE,
    needs={
        Service: _ASKING,
        Shuffling: (*_ASKING, {"vectors": True}, {"aligned": True}),
        "items": _ASKING,
        "profiles": _ASKING,
        "vectors": ({"clean": ("graph", "soft")}, {"backbone": "alpharec"}),
        "aligned": ({"negatives": "semantic"}, {"denoise": "llmhni"}),
    },
    strict=("vectors", "aligned"),
)
def command(
    context: typer.Context,
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    valid: Annotated[str, file("--valid", "Held-out interactions that choose the epoch.")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="The run's folder.", metavar="FOLDER", rich_help_panel=FILES)
    ],
    model: Model,
    machine: Machine,
    stopping: Stopping,
    measuring: Measuring,
    cleaning: Cleaning,
    suspecting: Suspecting,
    staging: Staging,
    pruning: Pruning,
    judging: Judging,
    profiling: Profiles,
    inferring: Inferring,
    relating: Relating,
    service: Service,
    shuffling: Shuffling,
    config: Annotated[
        list[str],
        typer.Option(
            "--config",
            help="TOML with any of these options, or a file that comes with the tool: paper (LLMHD as printed) or best (as "
            "measured), which --help shows. Repeat it; later ones win, and words on the command line win over all. @/FILE in "
            "it lies beside TRAIN.",
            callback=configs.config,
            is_eager=True,
            metavar="FILE|NAME",
            rich_help_panel=FILES,
        ),
    ] = [],  # noqa: B006
    test: Annotated[File, file("--test", "Measured once, at the best epoch.")] = None,
    items: Annotated[File, file("--items", "Item texts, for llmhd, llmhni and --clean.")] = None,
    profiles: Annotated[File, file("--profiles", "User profiles; else summarised from TRAIN.")] = None,
    vectors: Annotated[
        File, file("--vectors", "Vectors of the items' texts (embed, align), for --clean and --backbone alpharec.")
    ] = None,
    aligned: Annotated[
        File, file("--aligned", "Aligned text vectors (align), for --negatives semantic; else made of the texts.")
    ] = None,
    disliked: Annotated[File, file("--disliked", "Held-out dislikes, measured beside --test.")] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            "--scorer",
            help="Let this program judge in the place of score: noisy rows in, judged out; suspects too.",
            metavar="PROGRAM",
            rich_help_panel="Language model",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="The method's name in tables. [default: the folder's]", metavar="NAME")
    ] = None,
    noise: Annotated[
        bool,
        typer.Option("--noise", help="Measure against TRAIN's known noise as well.", rich_help_panel=Measuring.title),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep every epoch's files.", rich_help_panel=CONTROL)] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where the folder's run was interrupted.", rich_help_panel=CONTROL),
    ] = False,
) -> None:
    """Train with denoising, from start to end.

    Does what the pipe of commands does, epoch by epoch, in one process, and leaves the same files: FOLDER/epoch-N holds
    what epoch N made (of old epochs only what is still needed stays), FOLDER/metrics.jsonl all measurements,
    FOLDER/best.npz the embeddings of the best epoch. --resume goes on after a crash as if nothing had happened.

    --clean graph goes with any --denoise. With --vectors the texts count as well, with --items the scores of twice as
    many pairs as are cut; FOLDER holds suspects-N and scored-N.jsonl and drop-N.npz of each cleaning.

    \b
    Examples:
      llmhd run train.jsonl --valid valid.jsonl --test test.jsonl --epochs 60 -o runs/bpr
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --denoise llmhd --max-noise 0.1 -o runs/llmhd
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --config paper --loss bce --staged -o runs/paper
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --clean graph --clean-share 0.05 -o runs/clean
      llmhd run train.jsonl --valid valid.jsonl --items items.jsonl --denoise llmhni -o runs/llmhni
      llmhd run train.jsonl --valid valid.jsonl --backbone sgl --denoise r-ce --set beta=0.3 -o runs/sgl-r-ce
    """
    from contextlib import ExitStack

    from llmhd_tools.cli.session import session, vector_session
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.runs.loop import asks, embeds, run_plan
    from llmhd_tools.runs.plan import Inputs, Plan, check_inputs
    from llmhd_tools.stages.texts import texts_of

    sections = model, machine, stopping, measuring, staging, pruning, judging, profiling
    plan = Plan(*sections, cleaning, suspecting, inferring, relating, service, shuffling, scorer, noise, keep, title)
    paths = {"train": train, "valid": valid, "test": test, "items": items, "profiles": profiles}
    paths |= {"disliked": disliked, "vectors": vectors, "aligned": aligned}
    check_inputs(plan, paths)
    unused = find_unused(context)
    asking = asks(plan, paths)
    if not asking:
        paths |= {"items": None, "profiles": None}
    inputs = Inputs.read(**paths)
    with ExitStack() as opened:
        provider = embedder = None
        if asking and inputs.items is not None:
            asked = opened.enter_context(session(service, "run", list(texts_of(inputs.items).values())))
            provider = asked.provider
        if embeds(plan, paths):
            embedder = opened.enter_context(vector_session(service, "run", None, provider)).provider
        found = run_plan(plan, inputs, output, provider, embedder, resume=resume, unused=unused)
    if found:
        write_records("-", found)
