"""Pages that code itself tells: every command's help, every parameter, and the notebooks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ojala import cli
from pipelines import params
from pipelines.cluster.space import Range

ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")
"""A line of a docstring that tells what one or several names mean."""

FILES = {"params.yaml": "demo", "params.production.yaml": "production"}

SEARCHED = "space."
"""Of a section: parameters of another, which a search varies."""

WORDS = {
    "seed": "of the random numbers",
    "warmup_steps": "steps in which the learning rate rises to its value",
}

ROOT = Path(__file__).parents[1]


def write(place: Path) -> None:
    """Write every page into a directory, leaving alone those that are as they should be."""
    place.mkdir(exist_ok=True)
    pages = {"command-help.md": commands_page(), "parameters.md": parameters_page()}
    pages |= {f"{path.stem}.md": notebook_page(path.read_text()) for path in notebooks()}
    for name, text in pages.items():
        path = place / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def commands_page() -> str:
    """Help of every command, as a terminal of 100 columns shows it."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        whole, of_command = cli.parsers(cli.commands())
        helps = {"ojala": whole.format_help()}
        helps |= {f"ojala {name}": one.format_help() for name, one in of_command.items()}
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    parts = [f"## {name}\n\n```\n{text.rstrip()}\n```" for name, text in helps.items()]
    return "\n\n".join(["# Every command", *parts]) + "\n"


def parameters_page() -> str:
    """Every key of the parameter files: its meaning, and its value at both scales."""
    given = {name: params.read(ROOT / name) for name in FILES}
    parts = [
        "# Every parameter",
        "A section is what one stage reads of `params.yaml` (the demo); `params.production.yaml` "
        "holds the paper's scale. An unknown or missing key is an error.",
    ]
    for section in params.SECTIONS:
        kind = params.kind(section)
        parts.append(f"## {section}\n\n{_first_sentence(kind)}")
        columns = [one[section] for one in given.values()]
        rows = [_row(*entry) for entry in entries(kind, columns)]
        head = f"| key | {' | '.join(FILES.values())} | meaning |\n|---|---|---|---|"
        parts.append("\n".join([head, *rows]))
    return "\n\n".join(parts) + "\n"


def notebooks() -> list[Path]:
    """The notebooks, as py:percent sources of jupytext."""
    return sorted((ROOT / "docs" / "notebooks").glob("*.py"))


def notebook_page(source: str) -> str:
    """A notebook as Markdown: its text, and its code in fences. What it prints is not shown."""
    _, *cells = re.split(r"^# %%", source, flags=re.MULTILINE)
    parts = []
    for cell in cells:
        kind, _, body = cell.partition("\n")
        if kind.strip() == "[markdown]":
            parts.append(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def entries(
    kind: type, given: Sequence[Any], before: str = ""
) -> Iterator[tuple[str, list[Any], str]]:
    """Key, values and meaning of every parameter of a section, those inside others as a.b.

    given: the section in each of the parameter files, None where it is off there
    """
    said, hints = meanings(kind), get_type_hints(kind)
    for field in fields(kind):
        if not field.init:
            continue
        values = [one[field.name] if isinstance(one, dict) else None for one in given]
        inner = _inner(hints[field.name])
        name = f"{before}{field.name}"
        if inner and any(isinstance(value, dict) for value in values):
            yield from entries(inner, values, f"{name}.")
        else:
            yield name, values, said.get(field.name) or _by_place(name)


def _inner(hint: Any) -> type | None:
    """The dataclass that a value is, or may be, whose fields are parameters of their own."""
    found = [one for one in (hint, *get_args(hint)) if isinstance(one, type) and is_dataclass(one)]
    return found[0] if found and found[0] is not Range else None


def _by_place(name: str) -> str:
    """What a parameter is of which its own class says nothing."""
    if name.startswith(SEARCHED):
        return f"what is searched of {name.replace(SEARCHED, 'train.', 1)}; null: it is not"
    return WORDS.get(name.rpartition(".")[2], "")


def _row(name: str, values: list[Any], meaning: str) -> str:
    shown = [f"`{_cell(value)}`" for value in values]
    return f"| `{name}` | {' | '.join(shown)} | {meaning.replace('|', chr(92) + '|')} |"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {inner}" for name, inner in value.items())
    return "null" if value is None else str(value)


def _first_sentence(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ").strip()


def meanings(kind: type) -> dict[str, str]:
    """What a class's docstring says of each name."""
    told: dict[str, str] = {}
    for names, text in _told((kind.__doc__ or "").splitlines()):
        told |= dict.fromkeys(names, text)
    return told


def _told(lines: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Names and what is said of them, of a docstring; the lines that follow deeper go along."""
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    shallow, at = min(indents, default=0), 1
    while at < len(lines):
        line, at = lines[at][shallow:], at + 1
        if not ENTRY.fullmatch(line):
            continue
        while at < len(lines) and lines[at].startswith(" " * (shallow + 1)):
            line += f" {lines[at].strip()}"
            at += 1
        for part in re.split(r"; (?=\w+(?:, \w+)*: )", line):
            found = ENTRY.fullmatch(part)
            assert found is not None
            yield found[1].split(", "), found[2]


def as_fields(lines: Sequence[str], parameters: Sequence[str]) -> list[str]:
    """A docstring of the house, in which ``name: meaning`` is a line, as Sphinx understands it.

    What is said of parameters, answers and errors goes to the end as fields, which Sphinx sets
    beside their types; names of other things become a list.
    """
    written: list[str] = []
    fields_of: list[str] = []
    at = 0
    listed = False
    while at < len(lines):
        line, at = lines[at], at + 1
        entry = ENTRY.fullmatch(line)
        if not entry and not line.startswith(("Raises ", "Returns ")):
            written.append(line)
            listed = False
            continue
        told = [line.strip()]
        while at < len(lines) and _goes_on(lines[at], is_entry=entry is not None):
            told.append(lines[at].strip())
            at += 1
        field = _field(" ".join(told), parameters)
        if field:
            fields_of += field
        else:
            names, _, meaning = " ".join(told).partition(": ")
            written += [] if listed else [""]
            written.append(f"- **{names}**: {meaning}")
            listed = True
    return [*written, "", *fields_of, ""] if fields_of else written


def _goes_on(line: str, *, is_entry: bool) -> bool:
    """Whether a line belongs to what the one before began to tell."""
    if is_entry:
        return line.startswith(" ")
    starts = ENTRY.fullmatch(line) or line.startswith(("Raises ", "Returns "))
    return bool(line.strip()) and not starts


def _field(told: str, parameters: Sequence[str]) -> list[str]:
    """Fields of what is told of parameters, of the answer or of errors; none of anything else."""
    if told.startswith("Returns "):
        return [f":returns: {told.removeprefix('Returns ')}"]
    if found := re.fullmatch(r"Raises (?:([A-Z]\w+) )?(.*)", told):
        return [f":raises {found[1]}: {found[2]}" if found[1] else f":raises: {found[2]}"]
    parts = re.split(r"; (?=\w+(?:, \w+)*: )", told)
    fields = []
    for part in parts:
        names, _, meaning = part.partition(": ")
        for name in names.split(", "):
            if name not in parameters:
                return []
            fields.append(f":param {name}: {meaning}")
    return fields
