"""A whole run from Python: what ``llmhd run`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmhd_tools.files.table import Table, from_records
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.requests import Provider, TextProvider
from llmhd_tools.runs.loop import run_plan
from llmhd_tools.runs.plan import Inputs, plan_of


def run(
    train: Table,
    valid: Table,
    test: Table | None = None,
    *,
    folder: str,
    items: Table | None = None,
    profiles: Table | None = None,
    disliked: Table | None = None,
    vectors: Tensors | None = None,
    aligned: Tensors | None = None,
    provider: Provider | None = None,
    embedder: TextProvider | None = None,
    config: Mapping[str, Any] | None = None,
    resume: bool = False,
    **choices: Any,
) -> Table | None:
    """Train with denoising, from start to end; the metrics of the best epoch on test, None without a test.

    Leaves in ``folder`` what ``llmhd run -o FOLDER`` leaves, byte for byte. ``choices`` are those of the sections in
    ``settings`` by name, over those of ``config`` (such as ``preset("best")``). ``provider`` answers about texts and
    ``embedder`` makes their vectors, where the choices ask for that. Raises UsageError and InputError where choices,
    inputs and folder do not fit.
    """
    named = {name.replace("-", "_"): value for name, value in (config or {}).items()}
    plan = plan_of(named | choices)
    inputs = Inputs(train, valid, test, items, profiles, disliked, vectors, aligned)
    found = run_plan(plan, inputs, folder, provider, embedder, resume=resume)
    return from_records("metrics", found, folder) if found else None
