"""What the documentation takes from the code: error classes and state machines, found by walking.

Used by the tools that rewrite docs/, and by the tests that check it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import trunkline
from trunkline.domain.errors import TrunklineError
from trunkline.domain.state_machine import StateMachine

DOCS = Path(__file__).resolve().parents[1] / "docs"

# Of the extra `host`: what a machine without libvirt's headers can't have.
OPTIONAL_MODULES = frozenset({"libvirt", "pyroute2"})


def modules() -> Iterator[ModuleType]:
    """Import and yield every module of the package, sorted by name."""
    for info in pkgutil.walk_packages(trunkline.__path__, prefix="trunkline."):
        if info.name.endswith(".__main__") or ".migrations." in info.name:
            continue  # Run by `python -m` and by Alembic, and not made to be imported.
        try:
            yield importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] not in OPTIONAL_MODULES:
                raise


def error_classes() -> list[type[TrunklineError]]:
    """Return every class of the package's errors that has a code of its own, by code."""
    for _ in modules():
        pass
    found: dict[type[TrunklineError], None] = {}
    queue: list[type[TrunklineError]] = [TrunklineError]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        if cls.__module__.startswith("trunkline.") and "code" in vars(cls):
            found[cls] = None
    return sorted(found, key=lambda cls: (cls.code, cls.__qualname__))


def state_machines() -> list[StateMachine[Any, Any]]:
    """Return every state machine of the package, by name."""
    found = {
        machine.name: machine
        for module in modules()
        for machine in vars(module).values()
        if isinstance(machine, StateMachine)
    }
    return [found[name] for name in sorted(found)]


def member_comments(enumeration: type[Enum]) -> dict[str, str]:
    """Return the comment beside each member of an enumeration, by the member's name."""
    source = inspect.getsource(enumeration)
    return dict(re.findall(r"^    ([A-Z_]+) = .*?  # (.*)$", source, flags=re.MULTILINE))


def first_paragraph(documented: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    text = inspect.getdoc(documented) or ""
    return " ".join(text.split("\n\n")[0].split())
