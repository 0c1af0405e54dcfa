"""``llmhd update-profiles``: let confident false positives and negatives correct the users' profiles."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from llmhd_tools.cli.options import History, Items, More, Out, file, takes
from llmhd_tools.errors import InputError
from llmhd_tools.settings import Profiles, Pruning, Service


@takes(without=("selection", "update"))
def command(
    profiles: Annotated[str, typer.Argument(help="The profiles so far.", metavar="PROFILES")],
    train: Annotated[str, file("--train", "Training interactions.")],
    items: Items,
    model: Annotated[str, file("--model", "Model of the finished epoch: its T and seed count.")],
    flags: Annotated[str, file("--flags", "Flag counts; read if it exists, written back whole.")],
    pruning: Pruning,
    profiling: Profiles,
    service: Service,
    more: More = [],  # noqa: B006 - typer copies it
    history: History = [],  # noqa: B006 - typer copies it
    output: Out = "-",
) -> None:
    """Correct profiles by pairs that keep looking mislabelled.

    Once an epoch, the steadiest of the high-loss training pairs and of the tracked negatives get a flag (Eq. 17-20). A
    pair with --confidence flags is handed to the language model once: a training pair as a false positive (T_FP: the
    user does not like this item), a negative as a false negative (T_FN: the user does).

    \b
    Examples:
      llmhd update-profiles profiles.jsonl --train train.jsonl --items items.jsonl --model model-3.npz --flags flags.npz \\
        --history emb-1.npz --history emb-2.npz --history emb-3.npz -o profiles-3.jsonl
      llmhd update-profiles profiles.jsonl --train train.jsonl --items items.jsonl --model model-3.npz --flags flags.npz \\
        --history emb-2.npz --history emb-3.npz --confidence 2 -o profiles-3.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.files.tensors import read_tensors
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.dataset import read_dataset, read_history
    from llmhd_tools.stages.model_file import settings_of
    from llmhd_tools.stages.profiles import is_done, update_profiles
    from llmhd_tools.stages.texts import read_texts, texts_of

    history = [*history, *more]
    check_output(output, [profiles, train, items, model, flags, *history])
    check_output(flags, [output, profiles, train, items, model, *history])
    dataset, state = read_dataset(train), read_tensors(model, "model")
    if state.meta.get("graph") != dataset.digest:
        raise InputError("was trained on other interactions than --train", where=model)
    settings_of(state)  # refuses a model without settings
    known = read_table(flags, "flags", users=dataset.users, items=dataset.items) if os.path.exists(flags) else None
    item_texts, so_far = read_texts(items, "items"), read_table(profiles, "profiles")
    texts_of(so_far)  # refuses a user who stands twice
    if os.path.isfile(output) and is_done(known, so_far, state, lambda: read_table(output, "profiles")):
        notes.note(f"{flags} and {output} hold this update already; nothing to do")
        return
    epochs = read_history(history)
    with session(service, "update-profiles", list(item_texts.values())) as asked:
        result = update_profiles(so_far, dataset, item_texts, epochs, known, state, asked.provider, pruning, profiling)
        if not asked.answers:
            return
        asked.complete()
        write_table(output, result.profiles)
        write_table(flags, result.flags)  # last: a pair counts as sent only once its profile is kept
    notes.note(
        f"{result.flagged:,} pairs flagged; {result.false_positives:,} false positives and "
        f"{result.false_negatives:,} false negatives are confident; {result.updated:,} profiles updated, "
        f"{len(result.failed):,} answers unusable{Reasons(result.failed)}"
    )
