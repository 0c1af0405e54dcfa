"""The generated pages say what the code says, and the hand-written ones name every command and kind."""

import importlib.util
from pathlib import Path

import pytest

from llmhd_tools.cli import GROUPS
from llmhd_tools.files.schema import KINDS

ROOT = Path(__file__).parent.parent


def _make():
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["formats.md", "commands.md", "results.md"])
def test_generated_page_is_up_to_date(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    pages = {path.name: text for path, text in _make().pages().items()}
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages[name], "run python docs/make.py"


def test_readme_names_every_command_and_kind():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for commands in GROUPS.values():
        for command in commands:
            assert f"`{command}`" in readme
    for kind in KINDS:
        assert f"`{kind}`" in readme or f"**{kind}**" in readme
