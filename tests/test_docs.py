"""The generated pages say what the code says, and the hand-written ones name every command and kind."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from llmhd_tools.cli.app import GROUPS, build_command
from llmhd_tools.files.schema import KINDS

ROOT = Path(__file__).parent.parent


def _make():
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        return {path.name: text for path, text in _make().pages().items()}


@pytest.mark.parametrize(
    "name", ["formats.md", "commands.md", "results.md", "settings.md", "python.md", "reliability.md"]
)
def test_generated_page_is_up_to_date(name, pages):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages[name], "run python docs/make.py"


def test_readme_names_every_command_and_kind():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for commands in GROUPS.values():
        for command in commands:
            assert f"`{command}`" in readme
    for kind in KINDS:
        assert f"`{kind}`" in readme or f"**{kind}**" in readme


def test_llmhd_page_names_options_that_there_are():
    page = (ROOT / "docs" / "llmhd.md").read_text(encoding="utf-8")
    known = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z][a-z-]+", page))
    assert len(named) > 20 and all(re.search(rf"[ ,/] {name} ", known) for name in named), named


def _shown_commands(page):
    """The words of each ``llmhd`` command in a page's code blocks."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    blocks = "".join(text for language, text in fenced if language != "python")
    for line in blocks.replace("\\\n", " ").splitlines():
        for command in re.findall(r"\b(?:llmhd|llmhd_tools) ([a-z-]+ [^|]*)", line):
            yield shlex.split(command, comments=True)


def test_commands_in_pages_are_understood():
    found = 0
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        if page.name == "commands.md":  # help, with prose between its examples
            continue
        for name, *words in _shown_commands(page.read_text(encoding="utf-8")):
            command = build_command(name)
            command.make_parser(command.context_class(command)).parse_args(words)  # raises for an unknown option
            found += 1
    assert found > 30


def test_the_results_page_is_made_of_its_files(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "contents.toml").write_text(
        'intro = "Hello.\\n"\n[shop-small]\ntitle = "A shop"\nmake = "make shop"\ntext = "Small."\n'
        '[other]\ntitle = "No files"\nmake = "make other"\ntext = "None."\n[parts]\nt1 = "Table 1"\nf2 = "Figure 2"\n'
    )
    (tmp_path / "results" / "shop-small-t1.jsonl").write_text(
        '{"row": "BPR", "metric": "ndcg", "k": 5, "value": 0.5}\n'
    )
    (tmp_path / "results" / "shop-small-f2.svg").write_text("<svg/>")
    make = _make()
    make.HERE = tmp_path
    assert make.results_page().split("# Results\n\n")[1] == (
        "Hello.\n\n## A shop\n\nSmall.\n\n```\nmake shop\n```\n\n### Table 1\n\n"
        "|  | ndcg@5 |\n| --- | ---: |\n| BPR | 0.5000 |\n\n### Figure 2\n\n![Figure 2](results/shop-small-f2.svg)\n"
    )
    (tmp_path / "results" / "shop-small-t9.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"no part for t9\.jsonl"):
        make.results_page()
