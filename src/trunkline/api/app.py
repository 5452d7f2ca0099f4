"""The ASGI application."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.api.edge import Edge
from trunkline.api.foreground import Foreground
from trunkline.api.routes import ROUTES, ROUTES_BUT_IDENTITY
from trunkline.api.routing import Route, Router
from trunkline.api.wakeups import Wakeups
from trunkline.control.services import Services


def make_app(
    svc: Services,
    wakeups: Wakeups,
    *,
    public_url: str | None = None,
    routes: Iterable[Route] | None = None,
    foreground: Foreground | None = None,
) -> Edge:
    """Make the application that answers for `svc`.

    Args:
        svc: What handlers are given.
        wakeups: Its `wake` is what `svc.wake_host` calls.
        public_url: How clients reach us, where the Host header does not tell.
        routes: What to answer to, instead of all that this service is to serve.
        foreground: Where the requests that people wait for are counted.
    """
    if routes is None:
        routes = ROUTES if svc.identity_elsewhere is None else ROUTES_BUT_IDENTITY
    return Edge(
        svc,
        Router(routes),
        wakeups,
        public_url=public_url,
        foreground=foreground or Foreground(),
    )
