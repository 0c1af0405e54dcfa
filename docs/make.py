"""Write the generated pages: docs/formats.md from the schema, docs/commands.md from the commands' help, docs/settings.md
from the declared choices, docs/python.md from the docstrings, docs/results.md from the files in docs/results,
docs/reliability.md from the tests of faults.

Usage: python docs/make.py [--check]; with --check nothing is written, and a page that is out of date exits 1.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import io
import os
import sys
from pathlib import Path

import llmhd_tools
from llmhd_tools import settings
from llmhd_tools.cli.app import GROUPS, main
from llmhd_tools.cli.help import WHOLE
from llmhd_tools.files.fields import TYPES, Kind
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.table import to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.registry import BACKBONES, DENOISERS, FITTED, OBJECTIVES, SAMPLERS
from llmhd_tools.report.layout import lay_out
from llmhd_tools.train.methods import load

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

HERE = Path(__file__).parent
GENERATED = "<!-- made by docs/make.py; do not edit -->\n\n"

FORMATS_HEAD = """# File formats

Every table has a text form and a binary form with the same content; `llmhd convert A B` turns one into the other and
`llmhd validate FILE...` checks any file.

- **Text** is JSON Lines: one object a line, UTF-8, no header, so `head`, `jq`, `shuf`, polars, DuckDB all work. pandas makes
  numbers of ids ("007" becomes 7) unless told not to: `pd.read_json("train.jsonl", lines=True, dtype=False)`. Blank lines
  are skipped; a byte-order mark and CRLF are accepted; NaN, repeated keys and half surrogates are refused with file and line.
- **Binary** is NPZ: one array per column plus `meta`, a JSON record with `kind`, `schema` and `made` (the command, its
  version, resolved parameters and content digests of its inputs: no clock, host, user or file name). Arrays of texts and
  ids are UTF-8 JSON as bytes. The zip comment holds the SHA-256 of all that stands before it; `validate` checks it. A
  file of your own has none: it is good all the same.
- Ids are your own strings or integers. `5` and `"5"` name the same thing, `"05"` another; an id is written back as it was
  first spelt. Fractions, booleans and empty strings are no ids.
- Unknown fields of a record pass through untouched. A missing optional value is left out (null is read as missing).
- `.npz` is binary; `.jsonl`, `.json`, `.ndjson` and names without a suffix are text; another suffix, such as .csv, is refused.
- `.gz` and `.zst` by suffix; `-` is stdin or stdout, as JSONL. A stream carries no `meta`: where that is needed
  (`prune` needs the first step of JSONL samples) there is an option.
- `noisy`, `judged`, `verdicts`, `flags`, `suspects`, `relations` and `recommendations` may be empty; the others may not. An
  upstream command that fails leaves an empty or short stream behind, so use `set -o pipefail` in scripts.
- Each row of `prune` holds `noisy_rows`, how many there are. `train-epoch --judged` refuses fewer: a row that a program on the
  way lost would be trained on. To leave rows out on purpose, `jq -c 'select(...) | del(.noisy_rows)'`.

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
    WHOLE.set(True)
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


SETTINGS_HEAD = """# Settings

Every choice that there is, once. One name serves everywhere: `max_noise` in Python is `--max-noise` on the command line and
`max-noise` in a TOML file of `run --config`. What a method alone reads (`--set NAME=VALUE`) is at the end.
"""


def settings_page() -> str:
    """The page about choices, from their declaration, and about the methods' own options."""
    page = GENERATED + SETTINGS_HEAD
    for section in settings.SECTIONS:
        page += f"\n## {section.__name__}\n\n{section.__doc__}\n\n| choice | default | range | |\n|---|---|---|---|\n"
        for f in dataclasses.fields(section):
            spec = settings.choices_of(section)[f.name]
            default = spec.usual or _plain(f.default)
            page += f"| `{f.name}` | {default} | {_range(spec)} | {spec.help} |\n"
    kinds = {"backbone": BACKBONES, "loss": OBJECTIVES, "denoise": DENOISERS, "negatives": SAMPLERS, "model": FITTED}
    for kind, names in kinds.items():
        for name in names:
            method = load(kind, name)
            own = dataclasses.fields(method.Options)
            if not own and not getattr(method, "defaults", {}):
                continue
            title = f"fit {name}" if kind == "model" else f"--{kind} {name}"
            page += f"\n## {title}\n\n| option | default | range | |\n|---|---|---|---|\n"
            for f in own:
                limits = f.metadata
                spec = settings.Choice("", limits.get("low"), limits.get("high"), of=tuple(limits.get("choices", ())))
                page += f"| `{f.name.replace('_', '-')}` | {f.default} | {_range(spec)} | {limits['help']} |\n"
            for key, value in getattr(method, "defaults", {}).items():
                page += f"\n`--{key}` is {value} unless given.\n"
    return page


def _plain(default: object) -> str:
    if default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _range(spec: settings.Choice) -> str:
    if spec.of:
        return ", ".join(spec.of)
    low, high = ("" if bound is None else f"{bound:g}" for bound in (spec.low, spec.high))
    if low and high:
        return f"{low} to {high}"
    return f"{'above' if spec.above else 'from'} {low}" if low else ""


PYTHON_HEAD = """# Python

```python
import llmhd_tools as llmhd
```

Tables go in and come out; nothing prints, exits or reads the environment (what there is to say goes to the logger `llmhd`).
Names are loaded on first use, so the import costs nothing. Choices are given by keyword, under the names of
[settings.md](settings.md), and refused as the command line refuses them; every error that a user can cause is an
`LlmhdError`. The same seed gives the bytes that the commands give. `examples/notebook.py` is a session from raw data to a
comparison; [CONTRIBUTING.md](../CONTRIBUTING.md) says where the code lies, `llmhd_tools.testing` checks methods of your own.
"""


def python_page() -> str:
    """The page about Python, from the docstrings of the public names."""
    page = GENERATED + PYTHON_HEAD
    for name in llmhd_tools.PUBLIC:
        thing = getattr(llmhd_tools, name)
        page += f"\n## {name}\n\n"
        called = thing.__init__ if inspect.isclass(thing) and not issubclass(thing, Exception) else thing
        if callable(called) and not getattr(thing, "_is_protocol", False) and not _is_error(thing):
            page += f"```python\n{name}{_signature(called)}\n```\n\n"
        page += _prose(inspect.getdoc(thing) or "")
        if inspect.isclass(thing):
            for attribute, member in vars(thing).items():
                is_method = inspect.isfunction(member)
                if not attribute.startswith("_") and (is_method or isinstance(member, property)):
                    call, doc = _signature(member) if is_method else "", inspect.getdoc(member) or ""
                    page += f"\n- `{name}.{attribute}{call}`: {_prose(doc).strip()}\n"
    return page


def _is_error(thing: object) -> bool:
    """Whether it is raised and not called."""
    return inspect.isclass(thing) and issubclass(thing, Exception)


def _signature(called: object) -> str:
    """The parameters, without self and without annotations that say no more than the text."""
    signature = inspect.signature(called)
    kept = [p for n, p in signature.parameters.items() if n != "self"]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in kept]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)).replace("'", '"')


def _prose(doc: str) -> str:
    return doc.replace("``", "`") + "\n"


def _shown(path: Path, heading: str) -> str:
    if path.suffix == ".svg":
        return f"![{heading}](results/{path.name})\n"
    return lay_out(list(to_records(read_table(str(path), "comparison"))), "markdown")


_RELIABILITY = """# What holds when things go wrong

Each promise is a file of `tests/faults`, and each line under it a test. The suite tries a sample; `bin/faults` tries all that
there is (`bin/faults writes`: every command, with every write, fsync and rename failing in turn; `bin/faults reads`: 10,000
flipped bits). What services do wrong is in `tests/service`, killed runs in `tests/run/test_resume.py`.

Made by `docs/make.py` of the tests.
"""


def reliability_page() -> str:
    """docs/reliability.md: the promises kept under faults, and what is tried, as the tests say them."""
    parts = [_RELIABILITY]
    for path in sorted((HERE.parent / "tests" / "faults").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        told = (_prose(ast.get_docstring(tree) or "").strip(), f"Tried by `tests/faults/{path.name}`:")
        lines = "\n".join(f"- {node.name.removeprefix('test_').replace('_', ' ')}" for node in tests)
        parts.append(
            "\n\n".join((f"## {path.stem.removeprefix('test_').replace('_', ' ').capitalize()}", *told, lines)) + "\n"
        )
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    texts = {"formats": formats_page(), "commands": commands_page(), "results": results_page()}
    texts |= {"settings": settings_page(), "python": python_page(), "reliability": reliability_page()}
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
