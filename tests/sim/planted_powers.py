"""Bugs in what becomes of guests that their owners pause, or have rebuilt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trunkline.control import desired, reports
from trunkline.control.reports import _Intake
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import ServerCondition
from trunkline.sim.world import Parts

Patch = pytest.MonkeyPatch


def what_is_paused_is_resumed(patch: Patch) -> Parts:
    """A host takes a guest that is to rest for one that is to go on."""
    real, take = desired._server_config, _Intake._take_server_fact

    def running(*of: Any) -> Any:
        return replace(real(*of), paused=False)

    def hasty(intake: _Intake, host: Any, server: Any, fact: Any) -> None:
        if server.state is ServerState.PAUSING and fact.condition is ServerCondition.RUNNING:
            fact = replace(fact, condition=ServerCondition.PAUSED)
        take(intake, host, server, fact)

    patch.setattr(desired, "_server_config", running)
    patch.setattr(_Intake, "_take_server_fact", hasty)
    return Parts()


def rebuilds_want_no_new_disk(patch: Patch) -> Parts:
    """A host goes on with the disk that it has, and is believed."""
    real = desired._server_config
    patch.setattr(desired, "_server_config", lambda *of: replace(real(*of), disk_number=1))
    patch.setattr(reports, "_is_of", lambda server, fact: fact.boot_number == server.boot_number)
    return Parts()
