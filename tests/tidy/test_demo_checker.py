"""The demonstration's checker stands alone."""

from __future__ import annotations

import ast
import sys

from tests.tidy.repository import parsed, python_files

CHECKER = ("src", "trunkline", "demo", "checker")


def test_it_imports_the_standard_library_and_itself_only() -> None:
    files = [path for path in python_files("src") if path.parts[:4] == CHECKER]
    assert len(files) > 1
    strangers = []
    for path in files:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            elif isinstance(node, ast.ImportFrom) and node.level > 1:
                names = ["." * node.level + (node.module or "")]
            else:
                continue
            strangers += [
                f"{path}: {name}"
                for name in names
                if name.partition(".")[0] not in sys.stdlib_module_names
            ]
    assert not strangers


def test_it_imports_nothing_by_name_at_run_time() -> None:
    files = [path for path in python_files("src") if path.parts[:4] == CHECKER]
    found = [
        f"{path}:{node.lineno}"
        for path in files
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name) and node.id in {"importlib", "__import__", "exec", "eval"}
    ]
    assert not found
