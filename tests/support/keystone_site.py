"""A control plane whose users are in the hands of another service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.http_app import InProcess
from tests.support.world import a_world
from trunkline.api.app import make_app
from trunkline.api.edge import Edge
from trunkline.api.routing import Route
from trunkline.api.wakeups import Wakeups
from trunkline.control.identity_elsewhere import IdentityElsewhere
from trunkline.control.services import Services
from trunkline.domain.clock import Clock


@dataclass(frozen=True, slots=True)
class KeystoneSite:
    """The control plane with its HTTP application."""

    svc: Services
    app: Edge
    http: InProcess


@contextmanager
def a_keystone_site(
    tmp_path: Path,
    identity: IdentityElsewhere,
    clock: Clock,
    *more_routes: Route,
    url: str | None = None,
) -> Iterator[KeystoneSite]:
    """Open one that asks `identity` about tokens; `more_routes` instead of all that there are."""
    with a_world(tmp_path, url=url, clock=clock) as plain:
        wakeups = Wakeups()
        svc = replace(plain, identity_elsewhere=identity, wake_host=wakeups.wake)
        app = make_app(svc, wakeups, routes=more_routes or None)
        http = InProcess(app)
        try:
            yield KeystoneSite(svc, app, http)
        finally:
            wakeups.close()
            http.close()
