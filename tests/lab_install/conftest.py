"""Tests of an emulated machine of their own, which `make lab-install` runs."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # Of all folders, whoever asks.
        if HERE not in item.path.parents:
            continue
        item.add_marker("lab")  # Not of `make check`, nor of the rings beside the lab's.
        item.add_marker(pytest.mark.timeout(3600))  # The first of them installs the machine.
