"""Rules about the code that no linter of ours knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.repository import (
    REPOSITORY,
    module_name,
    parsed,
    project_files,
    python_files,
    text_of,
)

MODULE_LINES_MAX = 450

# This file is the one that may hold them.
LEFTOVERS = {
    "a note to do something later": r"\b(?:TODO|FIXME|XXX|HACK)\b",
    "a merge conflict": r"^(?:<{7}|>{7}) ",
    "somebody's own path": r"(?<![\w.~$}])/(?:work|root|Users|home/\w+)/\w",
    "a private package index": r"--(?:extra-)?index-url|--find-links|\bPIP_\w*INDEX",
    "a debugger": r"\bbreakpoint\(\)|\bset_trace\(\)",
}


def test_every_module_keeps_to_a_readable_length() -> None:
    too_long = {
        str(path): lines
        for path in python_files("src", "tests", "tools", "lab")
        if (lines := len((REPOSITORY / path).read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert not too_long, f"more than {MODULE_LINES_MAX} lines: what is the second subject?"


@pytest.mark.parametrize("what", LEFTOVERS)
def test_nothing_is_left_over(what: str) -> None:
    pattern = re.compile(LEFTOVERS[what], re.MULTILINE)
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path in project_files()
        if path.name not in {"uv.lock", "LICENSE", "test_sources.py"}
        and (text := text_of(path)) is not None
        for match in pattern.finditer(text)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_the_lock_file_names_public_hosts_only() -> None:
    lock = (REPOSITORY / "uv.lock").read_text()
    hosts = set(re.findall(r"[a-z+]+://([^/\"]*)", lock))
    strangers = {
        host for host in hosts if not re.fullmatch(r"(\w+\.)?py(pi|thonhosted)\.org", host)
    }
    assert not strangers
    assert not re.search(r"(?:path|directory|url) = \"(?!https://)", lock), "a local path"


def _calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a file, with what is called as it is written: `pytest.mark.skip`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_no_test_sleeps() -> None:
    """Wait for a state, never for a time."""
    found = [
        f"{path}:{call.lineno}"
        for path in python_files("tests")
        for call, name in _calls(path)
        if name in {"time.sleep", "sleep"}
    ]
    assert not found


def test_no_test_is_skipped_without_a_reason() -> None:
    found = []
    for path in python_files("tests"):
        with_call = {
            id(call.func) for call, name in _calls(path) if name.startswith("pytest.mark.")
        }
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Attribute) or id(node) in with_call:
                continue
            if (text := ast.unparse(node)) in {"pytest.mark.skip", "pytest.mark.xfail"}:
                found.append(f"{path}:{node.lineno}: {text}")
        for call, name in _calls(path):
            if name in {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}:
                if not any(keyword.arg == "reason" for keyword in call.keywords):
                    found.append(f"{path}:{call.lineno}: {name}")
            elif name in {"pytest.skip", "pytest.xfail"} and not (call.args or call.keywords):
                found.append(f"{path}:{call.lineno}: {name}")
    assert not found


def test_no_test_mocks() -> None:
    """A fake refuses what the real thing refuses; a mock repeats the code under test."""
    found = [
        f"{path}:{node.lineno}"
        for path in python_files("tests")
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any("mock" in alias.name for alias in node.names))
    ]
    assert not found


def test_every_ignored_type_error_has_its_reason() -> None:
    ignore = re.compile(r"# type: ignore(?!\[[\w, -]+\]  # \S)")
    found = [
        f"{path}:{number}"
        for path in python_files("src", "tests", "tools", "lab")
        if path.name != "test_sources.py"
        for number, line in enumerate((REPOSITORY / path).read_text().splitlines(), 1)
        if ignore.search(line)
    ]
    assert not found, "write `# type: ignore[code]  # why`"


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return "\n".join(ast.dump(statement) for statement in body[1 if documented else 0 :])


def test_no_public_function_is_written_twice() -> None:
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in python_files("src"):
        for node in parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _body(node):
                where[node.name, _body(node)].append(f"{path}:{node.lineno}")
    twice = [places for (name, _), places in where.items() if len(places) > 1 and name[0] != "_"]
    assert not twice


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file may import; `from a import b` names `a` and perhaps `a.b`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = _absolute(path, node)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    """The module that an import is from; `from .raw import x` begins in the file's own folder."""
    above = path.with_suffix("").parts[1 : -node.level] if node.level else ()
    return ".".join((*above, *filter(None, [node.module])))


def _entry_points() -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    groups = [project["scripts"], *project.get("entry-points", {}).values()]
    return {target.split(":")[0] for group in groups for target in group.values()}


def test_every_module_is_imported_or_an_entry_point() -> None:
    reached = _entry_points()
    for path in python_files("src", "tests", "tools", "lab"):
        reached.update(name for name in _imports(path) if name != module_name(path))
    started = re.findall(r"-m (trunkline[\w.]*)", (REPOSITORY / "Makefile").read_text())
    forgotten = [
        str(path)
        for path in python_files("src")
        if path.name not in {"__init__.py", "__main__.py"}
        and "migrations" not in path.parts  # Alembic finds these by folder.
        and module_name(path) not in reached | set(started)
    ]
    assert not forgotten


def test_migrations_follow_each_other_one_by_one() -> None:
    """Two that were written side by side take the same number, and no database opens any more."""
    folder = REPOSITORY / "src/trunkline/store/migrations/versions"
    numbers = [path.name[:4] for path in sorted(folder.glob("[0-9]*.py"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
