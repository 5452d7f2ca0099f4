"""Routes as data, and finding the one that a request means."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from trunkline.api.http import Answer, Request
from trunkline.api.limits import BODY_BYTES_MAX
from trunkline.control.services import Services
from trunkline.domain.policy.rule import Rule

Handler = Callable[[Services, Request], Answer]


class Auth(enum.Enum):
    """Who may call a route."""

    PUBLIC = "public"  # Anybody; no token is looked at.
    USER = "user"  # Whoever has a valid token for a project or the system.
    LOGIN = "login"  # Whoever has a valid token, be it for nothing.
    AGENT = "agent"  # A host's agent, by its own host's token.


class Lane(enum.Enum):
    """Which worker threads a route runs in."""

    QUICK = "quick"
    SLOW = "slow"  # Burns CPU on purpose (password hashes): few at a time, so nobody else waits.


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path. ``{name}`` in the path matches one segment, of any text."""

    method: str
    path: str
    handler: Handler
    auth: Auth | Rule = Auth.USER  # A rule: users whom it allows this, whatever they name.
    lane: Lane = Lane.QUICK
    body_bytes_max: int = BODY_BYTES_MAX
    streams: bool = False  # The handler answers with `Receive`: the body is not read before.


def get(path: str, handler: Handler, auth: Auth | Rule = Auth.USER) -> Route:
    """GET, and HEAD, which answers the same without its body."""
    return Route(method="GET", path=path, handler=handler, auth=auth)


def post(path: str, handler: Handler, auth: Auth | Rule = Auth.USER) -> Route:
    """POST."""
    return Route(method="POST", path=path, handler=handler, auth=auth)


def put(path: str, handler: Handler, auth: Auth | Rule = Auth.USER) -> Route:
    """PUT."""
    return Route(method="PUT", path=path, handler=handler, auth=auth)


def patch(path: str, handler: Handler, auth: Auth | Rule = Auth.USER) -> Route:
    """PATCH."""
    return Route(method="PATCH", path=path, handler=handler, auth=auth)


def delete(path: str, handler: Handler, auth: Auth | Rule = Auth.USER) -> Route:
    """DELETE."""
    return Route(method="DELETE", path=path, handler=handler, auth=auth)


@dataclass(frozen=True, slots=True)
class Match:
    """The route that a request means."""

    route: Route
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No route; `allow` has the methods that the path does answer to, if any."""

    allow: tuple[str, ...] = ()


@dataclass(slots=True)
class _Node:
    """One segment of paths: a literal one goes before ``{name}``."""

    literals: dict[str, _Node] = field(default_factory=dict)
    any_text: _Node | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """Finds routes by walking the path's segments: the cost does not grow with their number."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        assert route.path.startswith("/"), route.path
        node, names = self._root, []
        for segment in split_path(route.path):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.any_text = node.any_text or _Node()
                node = node.any_text
            else:
                node = node.literals.setdefault(segment, _Node())
        assert route.method not in node.routes, f"two routes for {route.method} {route.path}"
        node.routes[route.method] = (route, tuple(names))

    def match(self, method: str, segments: list[str]) -> Match | NoMatch:
        """Find the route of a decoded path; a slash at its end makes no difference."""
        allowed: set[str] = set()
        for node, texts in _nodes_for(self._root, segments, 0, ()):
            wanted = "GET" if method == "HEAD" and "HEAD" not in node.routes else method
            if wanted in node.routes:
                route, names = node.routes[wanted]
                return Match(route, dict(zip(names, texts, strict=True)))
            allowed |= set(node.routes) | ({"HEAD"} if "GET" in node.routes else set())
        return NoMatch(tuple(sorted(allowed)))


def _nodes_for(
    node: _Node, segments: list[str], at: int, texts: tuple[str, ...]
) -> Iterable[tuple[_Node, tuple[str, ...]]]:
    if at == len(segments):
        if node.routes:
            yield node, texts
        return
    if (literal := node.literals.get(segments[at])) is not None:
        yield from _nodes_for(literal, segments, at + 1, texts)
    if node.any_text is not None:
        yield from _nodes_for(node.any_text, segments, at + 1, (*texts, segments[at]))


def split_path(path: str) -> list[str]:
    """Return a path's segments; one slash at its end is dropped."""
    inner = path.removeprefix("/").removesuffix("/")
    return inner.split("/") if inner else []
