"""The auditor of the simulator must not learn from the system what is right."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.tidy.repository import REPOSITORY

AUDITOR = {
    f"trunkline.sim.{name}"
    for name in (
        "auditor",
        "free_devices",
        "groupings",
        "links",
        "model",
        "nic_book",
        "nodes",
        "powers",
        "raw_hosts",
    )
}


@pytest.mark.parametrize("module", sorted(AUDITOR))
def test_the_auditor_imports_the_standard_library_alone(module: str) -> None:
    path = REPOSITORY / "src" / (module.replace(".", "/") + ".py")
    strangers = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            strangers |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            strangers.add(node.module or "")
    strangers = {
        name
        for name in strangers
        if name not in AUDITOR and name.split(".")[0] not in sys.stdlib_module_names
    }
    assert not strangers
