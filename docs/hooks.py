"""What MkDocs needs beside the pages: reference pages from the code, what is shown of metrics/, and clean pages.

mkdocs.yml names this file. Nothing here is needed to read the pages in a clone: what is generated stands there as a
comment, `<!-- generated: params -->`, below a sentence that says where the same can be found.
"""

import argparse
import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, cast

from pydantic import BaseModel
from ruamel.yaml import YAML

from ftlgan import cli
from ftlgan.params import Params, dataset, sections
from ftlgan.params import files as weight_files

ROOT = Path(__file__).parents[1]
METRICS = "metrics"
"""The folder of results, which lies beside docs/: the pipeline writes what is shown of it."""
WIDTH = 88
"""Columns of the usage of a command."""
INTERVAL = re.compile(r"\[([+-]?[\d.]+), ([+-]?[\d.]+)\]")
"""An interval in a table, which is shown on one line."""
LONGEST_VALUE = 40
"""Characters of a value that is shown whole."""

MODELS: dict[str, type[BaseModel]] = {
    name: value
    for module in (dataset, weight_files, sections)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseModel)
}
"""The typed sections of params.yaml by name."""
LIMITS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
"""How JSON schema says that a number is limited, and how a reference does."""
REST = ("may be", "meaning")
"""The last columns of the tables of params."""

Row = Sequence[str]
Tree = Mapping[str, Any]


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures and pages of metrics/ to the files of the site."""
    from mkdocs.structure.files import File  # pyright: ignore[reportMissingImports] - only builds of the site need it

    for path in sorted((ROOT / METRICS).rglob("*.*")):
        if path.suffix in (".png", ".jpg", ".md"):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return the text of a page with what is generated in it, links that hold in the site, and no comments."""
    return rendered(markdown, PurePosixPath(page.file.src_uri))


def rendered(markdown: str, page: PurePosixPath) -> str:
    """Return the text of a page as the site has it.

    Args:
        markdown: the text of the page in docs/.
        page: its path in docs/.

    Raises:
        ValueError: if it asks for something that nobody generates.
    """
    markdown = re.sub(r"<!-- generated: (.+?) -->", lambda match: generated(match[1]), markdown)
    markdown = re.sub(r"^<!--.*?-->\n", "", markdown, flags=re.MULTILINE | re.DOTALL)
    markdown = re.sub(
        r"^\|.*$", lambda row: INTERVAL.sub("[\\1,\N{NO-BREAK SPACE}\\2]", row[0]), markdown, flags=re.MULTILINE
    )
    out_of_docs = "../" * len(page.parts)
    return markdown.replace(f"]({out_of_docs}{METRICS}/", f"]({out_of_docs[3:]}{METRICS}/")


def generated(name: str) -> str:
    """Return what a page asks for by a comment `<!-- generated: NAME -->`.

    Raises:
        ValueError: if nobody generates it.
    """
    made = {"params": params_reference, "commands": command_reference}
    if name not in made:
        raise ValueError(f"generated: {name}: is none of {', '.join(made)}")
    return made[name]()


def params_reference(path: Path = ROOT / "params.yaml") -> str:
    """Return the reference of params.yaml: a table for each section, from the typed models and the comments.

    Args:
        path: the file whose values and comments are shown.
    """
    text = path.read_text(encoding="utf-8")
    values: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    comments, documented, schema = comments_by_name(text), docstrings(Params), Params.model_json_schema()
    top: list[Row] = []
    sections: list[str] = []
    for name, found in schema["properties"].items():
        entry, by_name = _entry(found)
        section, meaning = _section(entry), comments.get(name) or documented.get(name, "")
        if section is None:
            top.append([f"`{name}`", _value(values[name]), _allowed(found, schema), meaning])
            continue
        entries = {f"{name}.{key}": value for key, value in values[name].items() if value} if by_name else {}
        table = _section_table(section, entries or ({} if by_name else {name: values[name]}), comments, schema)
        sections += [
            f"## {name}{'.NAME' if by_name else ''}",
            *([f"{meaning[0].upper()}{meaning[1:]}."] if meaning else []),
            table,
        ]
    return "\n\n".join(["## Top level", _table(["param", "value", *REST], top), *sections]) + "\n"


def _entry(found: Tree) -> tuple[Tree, bool]:
    """Return the schema of a section; of a mapping from names to sections, that of each, and True."""
    if "patternProperties" in found:
        return next(iter(found["patternProperties"].values())), True
    return found.get("additionalProperties", found), "additionalProperties" in found


def _section(found: Tree) -> type[BaseModel] | None:
    """Return the model of a section, also of one that may be null; None for the schema of a value."""
    named = [each["$ref"].rpartition("/")[2] for each in (found, *found.get("anyOf", [])) if "$ref" in each]
    return MODELS[named[0]] if named else None


def _section_table(
    section: type[BaseModel], entries: Mapping[str, Tree], comments: Mapping[str, str], schema: Tree
) -> str:
    """Return the table of a section, with a column of values for each entry, by its dotted name."""
    documented = docstrings(section)
    rows: list[Row] = []
    for key, found in schema["$defs"][section.__name__]["properties"].items():
        meanings = [comments.get(f"{entry}.{key}", "") for entry in entries] + [documented.get(key, "")]
        values = [_value(entry.get(key)) for entry in entries.values()]
        rows.append([f"`{key}`", *values, _allowed(found, schema), next((each for each in meanings if each), "")])
    names = [entry.partition(".")[2] for entry in entries]
    return _table(["param", *(f"`{name}`" if name else "value" for name in names), *REST], rows)


def _value(value: Any) -> str:
    """Return a value as params.yaml has it; the end of a long one, such as an address, or the start of a digest."""
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, cast('list[object]', value)))}]`"
    text = str(value)
    if len(text) > LONGEST_VALUE:
        text = f"...{text[text.rindex('/') :]}" if "/" in text else f"{text[:8]}..."
    return f"`{text}`"


def _allowed(found: Tree, schema: Tree) -> str:
    """Return in words what a value may be, from its JSON schema."""
    if "$ref" in found:
        name: str = found["$ref"].rpartition("/")[2]
        return f"keys {', '.join(f'`{key}`' for key in schema['$defs'][name]['properties'])}"
    if "anyOf" in found:
        return " or ".join(_allowed(each, schema) for each in found["anyOf"])
    if choices := found.get("enum", [found["const"]] if "const" in found else []):
        return ", ".join(f"`{each}`" for each in choices)
    if found["type"] == "array":
        items, least = _allowed(found["items"], schema), found.get("minItems", 0)
        if least == found.get("maxItems"):
            return f"{items}, or a list of {least}"
        return f"{'one or more of' if least else 'a list of'}: {items}"
    kind = str({"string": "text", "boolean": "`true`, `false`", "null": "`null`"}.get(found["type"], found["type"]))
    return ", ".join([kind, *(f"{word} {found[key]:,}" for key, word in LIMITS.items() if key in found)])


def comments_by_name(text: str) -> dict[str, str]:
    """Return the comment behind each key of a YAML file in DVC's form, by its dotted name."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        if match := re.match(r"( *)([\w-]+):(?: |$)", line):
            indent = len(match[1])
            above = [(depth, name) for depth, name in above if depth < indent]
            above.append((indent, match[2]))
        _, hash_, comment = line.partition(" # ")
        if hash_ and above:
            found.setdefault(".".join(name for _, name in above), comment.strip())
    return found


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a model, by the name that params.yaml has for it."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (issubclass(base, BaseModel) and base.__module__.startswith("ftlgan")):
            continue
        body = cast("ast.ClassDef", ast.parse(inspect.getsource(base)).body[0]).body
        for field, after in pairwise(body):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                name = model.model_fields[field.target.id].alias or field.target.id
                found[name] = inspect.cleandoc(ast.literal_eval(cast("ast.Expr", after).value))
    return found


def command_reference() -> str:
    """Return the reference of the program `ftlgan`: the usage and the arguments of each command, from the parser."""
    (commands,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    return "\n\n".join(_command(name, parser) for name, parser in commands.choices.items()) + "\n"


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=WIDTH)  # whatever the terminal
    formatter = parser._get_formatter()
    rows = [
        [_invocation(action), formatter._expand_help(action)]
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    usage = parser.format_usage().removeprefix("usage: ")
    usage = re.sub(r"\n {7}", "\n", usage).replace("[-h] ", "")
    return "\n\n".join(
        [
            f"## ftlgan {name}",
            parser.description or "",
            f"```text\n{usage.strip()}\n```",
            _table(["argument", "meaning"], rows),
        ]
    )


def _invocation(action: argparse.Action) -> str:
    """Return an argument as it is written, with its value: `--res {14,28,56}`."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    if not action.option_strings:
        return f"`{value}`"
    more = " ..." if action.nargs == "+" else ""
    return "<br>".join(f"`{option} {value}{more}`".replace(" `", "`") for option in action.option_strings)


def _table(heading: Row, rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)
