"""The interface: exactly one of value and error, and a registry that loads a provider only when it is opened."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llmhd_tools.errors import UsageError
from llmhd_tools.llm.open import open_local
from llmhd_tools.llm.requests import Answer, ItemView, Revise, Score, Summarize, UserView, missing_text


def test_an_answer_has_a_value_or_an_error():
    assert Answer(8).error is None and Answer(error="no").value is None
    for wrong in [{}, {"value": 8, "error": "no"}]:
        with pytest.raises(ValueError):
            Answer(**wrong)


@pytest.mark.parametrize("spec", ["", "lexica", "lexical:", "lexical:x", "openai", ":x"])
def test_unknown_provider_names_the_known_ones(spec):
    with pytest.raises(UsageError, match="one of: lexical"):
        open_local(spec, item_texts=[])


def test_lexical_opens_by_name():
    provider = open_local("lexical", item_texts=["a dragon story"])
    assert provider.name == "lexical/1" and "not a language model" in (provider.notice or "")


def test_the_interface_alone_loads_nothing_heavy():
    code = (
        "import sys, llmhd_tools.llm.requests; print(sorted({'numpy', 'scipy', 'openai', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Score(" \n", "x"), "the profile is empty"),
        (Score("x", "\u200b\ufe0f"), "the item text is empty"),
        (Score("x", "y"), None),
        (Summarize("1", ()), "all item texts are empty"),
        (Summarize("1", ("", "y")), None),
        (Revise("", ("y",), "false-positive"), "the profile is empty"),
        (Revise("x", ("\t",), "false-negative"), "all item texts are empty"),
        (UserView("", "y"), "the profile is empty"),
        (UserView("x", " "), "the item text is empty"),
        (ItemView(("", "x"), "y"), None),
        (ItemView(("x",), ""), "the item text is empty"),
        (ItemView(("", " "), "y"), "all item texts are empty"),
    ],
)
def test_blank_texts_are_named(request_, why):
    assert missing_text(request_) == why
