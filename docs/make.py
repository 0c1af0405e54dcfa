"""Write the generated pages: docs/formats.md from the schema, docs/commands.md from the commands' help, docs/results.md
from the files in docs/results.

Usage: python docs/make.py [--check]; with --check nothing is written, and a page that is out of date exits 1.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

from llmhd_tools.cli.app import GROUPS, main
from llmhd_tools.files.fields import TYPES, Kind
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.tables import read_table, to_records
from llmhd_tools.report.layout import lay_out

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

HERE = Path(__file__).parent
GENERATED = "<!-- made by docs/make.py; do not edit -->\n\n"

FORMATS_HEAD = """# File formats

Every table has a text form and a binary form with the same content; `llmhd convert A B` turns one into the other and
`llmhd validate FILE...` checks any file.

- **Text** is JSON Lines: one object a line, UTF-8, no header, so `head`, `jq`, `shuf`, pandas all work. Blank lines are
  skipped; a byte-order mark and CRLF are accepted; NaN, repeated keys and half surrogates are refused with file and line.
- **Binary** is NPZ: one array per column plus `meta`, a JSON record with `kind`, `schema` and `made` (the command, its
  version, resolved parameters and content digests of its inputs: no clock, host, user or file name). Arrays of texts and
  ids are UTF-8 JSON as bytes. The zip comment holds the SHA-256 of all that stands before it; `validate` checks it.
- Ids are your own strings or integers. `5` and `"5"` name the same thing, `"05"` another; an id is written back as it was
  first spelt. Fractions, booleans and empty strings are no ids.
- Unknown fields of a record pass through untouched. A missing optional value is left out (null is read as missing).
- `.gz` and `.zst` by suffix; `-` is stdin or stdout, as JSONL. A stream carries no `meta`: where that is needed
  (`prune` needs the first step of JSONL samples) there is an option.
- `noisy`, `judged`, `verdicts`, `flags`, `suspects` and `relations` may be empty; the others may not. An upstream
  command that fails leaves an empty or short stream behind, so use `set -o pipefail` in scripts.

Embeddings and vectors of your own take NumPy and no more (`users` and `items` are lists of ids, `u` and `i` float arrays
with a row for each; seals and `made` are ours alone):

```python
import json
import numpy as np


def pack(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


meta, user_ids, item_ids = map(pack, ({"kind": "vectors", "schema": 1}, users, items))
np.savez("vectors.npz", meta=meta, user_ids=user_ids, user=u, item_ids=item_ids, item=i)
```

| type | in JSONL | in NPZ |
|---|---|---|
"""


def formats_page() -> str:
    """The page about files, from the schema."""
    page = (
        GENERATED
        + FORMATS_HEAD
        + "".join(f"| {name} | {text} | {binary} |\n" for name, (text, binary) in TYPES.items())
    )
    return page + "".join(_kind_section(kind) for kind in KINDS.values())


def _kind_section(kind: Kind) -> str:
    forms = " and ".join(kind.forms)
    section = f"\n## {kind.name}\n\n{kind.help} Schema {kind.schema}; {forms} form.\n"
    section += f"Written by {kind.written_by}; read by {kind.read_by}.\n"
    if kind.fields:
        section += "\n| field | type | | meaning |\n|---|---|---|---|\n"
        for spec in kind.fields:
            section += f"| `{spec.name}` | {spec.type} | {'' if spec.required else 'optional'} | {spec.help} |\n"
    if kind.arrays:
        section += "\n| array | content |\n|---|---|\n" + "".join(
            f"| `{name}` | {text} |\n" for name, text in kind.arrays
        )
        section += "| `user_ids`, `item_ids` | the ids in the order of the rows |\n"
    return section


def commands_page() -> str:
    """The page about commands, from their help."""
    page = GENERATED + "# Commands\n"
    for group, commands in GROUPS.items():
        page += f"\n## {group}\n"
        for name in commands:
            help_text = io.StringIO()
            with contextlib.redirect_stdout(help_text):
                main([name, "--help"])
            page += f"\n### llmhd {name}\n\n```\n{help_text.getvalue().strip()}\n```\n"
    return page


def results_page() -> str:
    """The page about studies, from their tables and figures."""
    with (HERE / "results" / "contents.toml").open("rb") as stream:
        contents = tomllib.load(stream)
    intro, parts = contents.pop("intro"), contents.pop("parts")
    page = f"{GENERATED}# Results\n\n{intro}"
    for name, study in contents.items():
        found = {path.name.removeprefix(f"{name}-"): path for path in (HERE / "results").glob(f"{name}-*")}
        if found:
            page += f"\n## {study['title']}\n\n{study['text'].strip()}\n\n```\n{study['make']}\n```\n"
        for part, heading in parts.items():
            for form in (".svg", ".jsonl"):
                if path := found.pop(part + form, None):
                    page += f"\n### {heading}\n\n{_shown(path, heading)}"
        if found:
            raise ValueError(f"contents.toml has no part for {', '.join(sorted(found))}")
    return page


def _shown(path: Path, heading: str) -> str:
    if path.suffix == ".svg":
        return f"![{heading}](results/{path.name})\n"
    return lay_out(list(to_records(read_table(str(path), "comparison"))), "markdown")


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    texts = {"formats": formats_page(), "commands": commands_page(), "results": results_page()}
    return {HERE / f"{name}.md": text for name, text in texts.items()}


if __name__ == "__main__":
    os.environ["COLUMNS"] = "80"  # the width of help
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.name} is out of date; run python docs/make.py")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    sys.exit(bool(stale) and "--check" in sys.argv)
