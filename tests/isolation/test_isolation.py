"""Nobody sees, changes or finds out about what is another project's: every route, every caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.isolation.kinds import IN, NOBODY, STRANGERS, Kind, Row, Who, expected
from tests.isolation.table import READS, ROWS, WITHOUT_THINGS, kind_of
from tests.isolation.world import SYSTEM_READER, Scene, a_scene, make_things
from trunkline.api.compute.server_actions import ACTIONS
from trunkline.api.routes import ROUTES
from trunkline.api.routing import Route

UNKNOWN = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"  # In gaps of routes that are for admins only.
WALKED = [route for route in ROUTES if kind_of(route) not in (Kind.PUBLIC, Kind.AGENT, None)]
# A console is waited for, until an agent answers; whoever gets so far was let in.
LISTS = (Kind.LISTED, Kind.LISTED_PERSONAL)
# Of another user's they are named by ?user_id=, or made by nobody else.
OWN_ALONE = {"os-keypairs", "application_credentials"}
WAITED_FOR = {"os-getConsoleOutput"}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def reads(route: Route) -> bool:
    return route.method == "GET" or route.path in READS


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with a_scene(tmp_path_factory.mktemp("isolation")) as made:
        yield made


def row_of(route: Route) -> Row:
    return ROWS.get(route.path, Row(kind=Kind.ADMIN))


def targets(scene: Scene, route: Route) -> list[str]:
    """The path with things in its gaps: once for each kind of thing that it can be about."""
    row = row_of(route)
    return ["/".join(_filled(scene, part, names) for part in route.path.split("/"))
            for names in (row.names, *row.also)]  # fmt: skip


def _filled(scene: Scene, part: str, names: Mapping[str, str]) -> str:
    if not part.startswith("{"):
        return part
    return scene.things[names[part[1:-1]]] if part[1:-1] in names else UNKNOWN


def bodies(scene: Scene, route: Route) -> list[object]:
    if route.method in ("GET", "DELETE"):
        return [None]
    body = row_of(route).bodies.get(route.method)
    return [scene.filled(each) for each in (body if isinstance(body, tuple) else (body,))]


def statuses(scene: Scene, route: Route, token: str | None) -> list[int]:
    headers = scene.filled(dict(row_of(route).headers))
    return [
        scene.ask(route.method, target, token, body=body, headers=headers).status
        for target in targets(scene, route)
        for body in bodies(scene, route)
    ]


@pytest.mark.parametrize("route", WALKED, ids=name_of)
def test_nobody_gets_in_by_a_token_that_is_none(scene: Scene, route: Route) -> None:
    for who in NOBODY:
        token = None if who == "none" else scene.tokens[who]
        assert set(statuses(scene, route, token)) == {401}, who


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if kind_of(route) is Kind.AGENT], ids=name_of
)
def test_no_user_and_no_other_host_speaks_for_a_host(scene: Scene, route: Route) -> None:
    path = route.path.replace("{name}", "h2").replace("{id}", UNKNOWN)
    for who in Who:
        token = scene.tokens[who.value]
        assert scene.ask(route.method, path, token).status == 401, who
        bearer = {"Authorization": f"Bearer {token}"}
        assert scene.ask(route.method, path, None, headers=bearer).status == 401, who
    of_h1 = {"Authorization": "Bearer " + scene.tokens["agent's"]}
    assert scene.ask(route.method, path, None, body={}, headers=of_h1).status in (400, 403, 404)


def state_of_demo(scene: Scene) -> dict[str, object]:
    """What an admin sees of all that project demo has."""
    token = scene.tokens["admin"]
    seen: dict[str, object] = {}
    for route in WALKED:
        if route.method == "GET" and route.path in ROWS:
            headers = scene.filled(dict(row_of(route).headers))
            query = "?all_tenants=1" if route.path.startswith("/compute/v2.1/servers") else ""
            for target in targets(scene, route):
                reply = scene.ask("GET", target + query, token, headers=headers)
                seen[target] = (reply.status, reply.body)
    return seen


def test_what_is_another_projects_is_neither_seen_nor_changed(scene: Scene) -> None:
    """One walk of all routes by all who may not, between two looks at everything."""
    before = state_of_demo(scene)
    made = {route for route in WALKED if kind_of(route) in (Kind.MADE, Kind.MADE_ON)}
    wrong = []
    for route in WALKED:
        if route in made and route.path not in READS:
            continue  # They leave things of the strangers' own: below.
        for who in (*STRANGERS, Who.READER):
            kind = kind_of(route)
            assert kind is not None
            allowed = expected(kind, who, reads=reads(route))
            got = statuses(scene, route, scene.tokens[who.value])
            if not set(got) <= allowed:
                wrong.append(f"{name_of(route)} by {who.value}: {got}")
    assert not wrong, "\n" + "\n".join(wrong)
    assert state_of_demo(scene) == before


def test_no_action_is_done_by_those_who_may_not(scene: Scene) -> None:
    path, before = scene.filled("/compute/v2.1/servers/{server}/action"), state_of_demo(scene)
    for action in ACTIONS:
        for who in (*STRANGERS, Who.READER):
            body: dict[str, object] = {action: {}}
            status = scene.ask("POST", path, scene.tokens[who.value], body=body).status
            assert status in ({400, 403, 404} if who is Who.READER else {400, 404}), (action, who)
    assert state_of_demo(scene) == before


def things_of_demo(scene: Scene) -> list[str]:
    """IDs and names that tell of things of the project, and of no others."""
    told = ("project", "user", "network", "subnet", "port", "policy", "rule", "segment", "server",
            "server's port", "image", "security group", "security group rule", "server group",
            "host", "key pair", "private flavor")  # fmt: skip
    return [scene.things[name] for name in told]


@pytest.mark.parametrize(
    "route",
    [r for r in WALKED if r.method == "GET" and kind_of(r) in LISTS],
    ids=name_of,
)
def test_no_list_tells_a_stranger_of_what_is_another_projects(scene: Scene, route: Route) -> None:
    queries = ["", "?all_tenants=1", f"?project_id={scene.things['project']}"]
    for who in STRANGERS:
        for query in queries:
            reply = scene.ask("GET", route.path + query, scene.tokens[who.value])
            body = reply.body.replace(query.removeprefix("?").encode(), b"")  # Of a page's links.
            told = [thing for thing in things_of_demo(scene) if thing.encode() in body]
            assert told == [], (who, query)
    whose = Who.MEMBER if kind_of(route) is Kind.LISTED_PERSONAL else Who.READER
    reply = scene.ask("GET", route.path, scene.tokens[whose.value])
    seen = any(thing.encode() in reply.body for thing in things_of_demo(scene))
    assert seen or route.path in WITHOUT_THINGS, "there was nothing to hide"


@pytest.mark.parametrize(
    "route", [r for r in WALKED if kind_of(r) in (Kind.MADE, Kind.MADE_ON)], ids=name_of
)
def test_what_strangers_make_is_their_own_and_on_nothing_of_others(
    scene: Scene, route: Route
) -> None:
    kind = kind_of(route)
    assert kind is not None
    for who in (*STRANGERS, Who.READER):
        allowed = expected(kind, who, reads=reads(route))
        got = statuses(scene, route, scene.tokens[who.value])
        assert set(got) <= allowed, (who, got)


# Lists of one's own project, and what goes by one's own name: a token for the system has neither.
OF_ONES_OWN = {
    "/compute/v2.1/limits",
    "/compute/v2.1/os-server-groups",
    "/compute/v2.1/servers",
    "/compute/v2.1/servers/detail",
    "/compute/v2.1/os-keypairs/{name}",
    "/network/v2.0/quotas/project",
    "/network/v2.0/quotas/tenant",
}


def test_a_reader_of_the_system_sees_what_admins_see_and_changes_nothing(scene: Scene) -> None:
    before, wrong = state_of_demo(scene), []
    for route in WALKED:
        if route.path not in ROWS:
            continue
        got = statuses(scene, route, scene.tokens[SYSTEM_READER])
        if route.path in OF_ONES_OWN:
            allowed = {403, 404}
        elif reads(route):
            allowed = set(statuses(scene, route, scene.tokens["admin"]))
        else:
            allowed = {400, 401, 403, 404, 501}  # 400, 401: what it says is no password.
        if not set(got) <= allowed:
            wrong.append(f"{name_of(route)}: {got}, not {allowed}")
    assert not wrong, "\n" + "\n".join(wrong)
    assert state_of_demo(scene) == before


@pytest.mark.parametrize("who", [Who.MEMBER, Who.ADMIN], ids=lambda who: who.value)
def test_those_who_may_are_let_in(scene: Scene, who: Who) -> None:
    """Each has things of its own to change and delete: what can be is deleted last."""
    scene.things = make_things(scene, who.value)
    token, wrong = scene.tokens[who.value], []
    order = sorted(
        WALKED, key=lambda r: len(r.path) if r.method == "DELETE" else 1000, reverse=True
    )
    for route in order:
        kind = kind_of(route)
        assert kind is not None
        if route.path not in ROWS or "os-quota-class" in route.path:
            continue
        if kind is Kind.PERSONAL and who is Who.ADMIN and set(route.path.split("/")) & OWN_ALONE:
            continue
        allowed = expected(kind, who, reads=reads(route))
        headers = scene.filled(dict(row_of(route).headers))
        for body in bodies(scene, route):
            if isinstance(body, dict) and WAITED_FOR & body.keys():
                continue
            for target in targets(scene, route):
                reply = scene.ask(route.method, target, token, body=body, headers=headers)
                if reply.status not in allowed:
                    wrong.append(f"{name_of(route)}: {reply}"[:300])
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_statuses_of_those_who_are_let_in_hold_no_refusal() -> None:
    assert not IN & {401, 403, 404, 500}
