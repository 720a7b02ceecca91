"""Write ``docs/api.md`` from the docstrings of the public names: ``python docs/make_api_page.py``.

The sources are read, not imported, so it needs nothing but Python, and writes the same on every machine.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOTS = (HERE.parent, HERE.parent / "runtimes", HERE.parent / "exporters")
PAGE = HERE / "api.md"
# Modules whose `__all__` is described, in this order.
MODULES = (
    "edgediff",
    "edgediff_runtimes.sampling",
    "edgediff_runtimes.noise",
    "edgediff_runtimes.engines",
    "edgediff_runtimes.bundle",
    "edgediff_runtimes.quality",
    "edgediff_exporters",
)
# What those names take and give, described with the first of them: home -> names.
ALSO = {
    "edgediff_runtimes.settings": ("Options", "Settings"),
    "edgediff_runtimes.results": ("Timings",),
    "edgediff_runtimes.running.embeds": ("Embeddings",),
    "edgediff.api": ("TrialKeywords", "Verification"),
    "edgediff.planning.planner": ("PlanKeywords",),
    "edgediff_runtimes.quality.claims": ("Figure",),
}
ERRORS = "edgediff_runtimes.errors"
INTRODUCTION = """# API

Every public name, from its docstring; `python docs/make_api_page.py` writes this page. How the parts go together in an
app is in [embedding.md](embedding.md).
"""
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Warns):$")
_EXAMPLE = re.compile(r"^>>>.*(?:\n.+)*", re.MULTILINE)  # to the next empty line
_INDENTED = re.compile(r"(?:^    .*(?:\n|$))+", re.MULTILINE)
_ITEM = re.compile(r"^([*\w`., ]+?): (.*)$")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def source(module: str) -> str:
    """The source of a module or package."""
    parts = module.split(".")
    for root in ROOTS:
        for path in (root.joinpath(*parts, "__init__.py"), root.joinpath(*parts).with_suffix(".py")):
            if path.is_file():
                return path.read_text(encoding="utf-8")
    raise SystemExit(f"there is no module {module}")


def tree(module: str) -> ast.Module:
    """Its parsed source."""
    return ast.parse(source(module))


def public_names(module: str) -> list[str]:
    """What ``__all__`` of a module has."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise SystemExit(f"{module} has no `__all__`")


def find(module: str, name: str) -> tuple[str, Definition]:
    """Where a name is defined, through every import that passes it on, and its definition."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return find(node.module, name)
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in map(ast.unparse, targets):
                return module, node
    raise SystemExit(f"{module} does not define {name}")


def page() -> str:
    """The whole page."""
    parts, described = [INTRODUCTION], dict[tuple[str, str], str]()
    for module in MODULES:
        parts.append(f"## `{module}`\n\n{prose(ast.get_docstring(tree(module)) or '')}")
        for name in public_names(module):
            home = (find(module, name)[0], name)
            title = described.setdefault(home, f"{module}.{name}")
            if title == f"{module}.{name}":
                parts.extend(entry(title, *find(module, name)))
            else:
                parts.append(f"### `{module}.{name}`\n\nThe same as [`{title}`](#{title.replace('.', '').lower()}).")
        if module == MODULES[0]:
            for home_, names in ALSO.items():
                for name in names:
                    parts.extend(entry(f"{home_}.{name}", *find(home_, name)))
    parts.append(f"## `{ERRORS}`\n\n{prose(ast.get_docstring(tree(ERRORS)) or '')}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def entry(title: str, module: str, node: Definition, *, level: int = 3) -> Iterator[str]:
    """A name: heading, signature, docstring; then the public methods of a class."""
    yield f"{'#' * level} `{title}`"
    if isinstance(node, ast.Assign | ast.AnnAssign):
        yield f"```python\n{written(module, node.lineno, node.end_lineno)}\n```"
        return
    yield f"```python\n{signature(module, node)}\n```"
    yield prose(ast.get_docstring(node) or "")
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) or not ast.get_docstring(inner):
                continue
            if inner.name in ("__init__", "__call__") or not inner.name.startswith("_"):
                yield from entry(f"{title}.{inner.name}", module, inner, level=level + 1)


def signature(module: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """A definition without its body; of a class, with its fields."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
        fields = [
            textwrap.indent(written(module, inner.lineno, inner.end_lineno), "    ")
            for inner in node.body
            if isinstance(inner, ast.AnnAssign) and not ast.unparse(inner.target).startswith("_")
        ]
        return "\n".join([f"class {node.name}" + (f"({bases})" if bases else "") + (":" if fields else ""), *fields])
    decorators = [f"@{name}\n" for name in map(ast.unparse, node.decorator_list) if name in ("property", "classmethod")]
    head = written(module, node.lineno, max(node.lineno, node.body[0].lineno - 1))
    return "".join(decorators) + head.rstrip(":")


def written(module: str, first: int, last: int | None) -> str:
    """Lines of a module's source as they stand there, but for indentation and comments."""
    lines = source(module).splitlines()[first - 1 : last]
    return textwrap.dedent("\n".join(re.sub(r"  # .*", "", line) for line in lines))


def prose(docstring: str) -> str:
    """A docstring in Google's form as Markdown."""
    lines: list[str] = []
    section = ""
    for line in docstring.replace("``", "`").splitlines():
        if found := _SECTION.match(line):
            section = found[1]
            lines += [f"**{section}**", ""]
        elif section and line.startswith("    "):
            item = _ITEM.match(line[4:])
            if section not in ("Returns", "Yields") and item:
                lines.append(f"- `{item[1].strip('`')}`: {item[2]}")
            else:
                lines.append(("  " if section not in ("Returns", "Yields") else "") + line.strip())
        else:
            section = section if not line else ""
            lines.append(line)
    text = _EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", "\n".join(lines))
    return _INDENTED.sub(lambda found: f"```text\n{found[0].rstrip()}\n```\n", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
