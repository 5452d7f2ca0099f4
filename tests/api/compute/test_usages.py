"""What projects have used, as Nova's clients read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.clock import ManualClock
from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Reply
from tests.support.response_schemas import ResponseSchemas

USAGE = "/os-simple-tenant-usage"
HOUR = 3600


class Books:
    """A site of which the clock is moved, and what it says has been used."""

    def __init__(self, scene: ComputeSite, clock: ManualClock) -> None:
        self.scene = scene
        self.clock = clock
        self.began = clock.now()
        self.project = scene.caller("demo").own_project

    def a_server(self, name: str, *, user: str = "demo") -> str:
        network = self.scene.blue if user == "demo" else self.scene.a_network_of(user)
        port = self.scene.a_port(network, user=user)
        server_id = str(self.scene.a_server(name, port, user=user)["id"])
        self.scene.settle()
        return server_id

    def pass_hours(self, hours: float) -> None:
        self.clock.advance(hours * HOUR)
        self.scene.tokens.clear()
        self.scene.settle()  # Hosts that were silent for so long would get no server.

    def delete(self, server_id: str) -> None:
        assert self.scene.call("DELETE", f"/servers/{server_id}").status == 204

    def ask(
        self, path: str = "", *, user: str = "admin", version: str | None = None, **query: object
    ) -> Reply:
        return self.scene.call(
            "GET", f"{USAGE}{path}?{urlencode(query)}", user=user, version=version
        )

    def period(self, begin: float, end: float) -> dict[str, str]:
        """From and to so many hours after the beginning, as the clients say it."""
        return {
            name: (self.began + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
            for name, hours in (("start", begin), ("end", end))
        }

    def of_demo(self, begin: float, end: float, **more: Any) -> Any:
        reply = self.ask(f"/{self.project}", user="demo", **self.period(begin, end), **more)
        assert reply.status == 200, reply
        return reply.json()["tenant_usage"]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    clock = ManualClock()
    with a_compute_site(tmp_path, clock=clock) as scene:
        yield Books(scene, clock)


def test_hours_count_from_the_first_run_to_the_deletion_within_the_period(books: Books) -> None:
    books.pass_hours(10)
    gone = books.a_server("gone")
    books.pass_hours(4)
    there = books.a_server("there")
    books.delete(gone)
    books.pass_hours(2)
    usage = books.of_demo(0, 20)
    hours = {each["name"]: each["hours"] for each in usage["server_usages"]}
    assert hours == {"gone": 4.0, "there": 2.0}  # Nothing is used before it is now.
    flavor = books.scene.flavor
    assert usage["total_hours"] == 6.0
    assert usage["total_vcpus_usage"] == 6.0 * flavor.vcpus
    assert usage["total_memory_mb_usage"] == 6.0 * flavor.memory_mib
    assert usage["total_local_gb_usage"] == 6.0 * flavor.disk_gib
    assert books.of_demo(12, 15)["total_hours"] == 3.0
    assert books.of_demo(15, 20)["total_hours"] == 1.0
    assert books.of_demo(0, 5) == {}
    states = {
        each["instance_id"]: (each["state"], each["uptime"] / HOUR)
        for each in usage["server_usages"]
    }
    assert states == {gone: ("terminated", 4.0), there: ("active", 2.0)}


def test_what_never_ran_has_used_nothing(books: Books) -> None:
    books.scene.a_server("waiting", books.scene.a_port(books.scene.blue))
    books.clock.advance(HOUR)  # No agent reports it.
    assert books.of_demo(0, 20) == {}


def test_admins_are_told_what_each_project_has_used(books: Books) -> None:
    books.a_server("ours")
    books.a_server("theirs", user="admin")
    books.pass_hours(1)
    usages = books.ask(**books.period(0, 2)).json()["tenant_usages"]
    assert {usage["total_hours"] for usage in usages} == {1.0}
    assert len({usage["tenant_id"] for usage in usages}) == 2
    assert all("server_usages" not in usage for usage in usages)
    detailed = books.ask(detailed="1", **books.period(0, 2)).json()["tenant_usages"]
    assert {each["name"] for usage in detailed for each in usage["server_usages"]} == {
        "ours", "theirs",
    }  # fmt: skip


def test_others_are_told_of_their_own_project_only(books: Books) -> None:
    whole = books.period(0, 2)
    assert books.ask(user="demo", **whole).status == 403
    admins = books.scene.caller("admin").own_project
    assert books.ask(f"/{admins}", user="demo", **whole).status == 403
    assert books.ask(f"/{admins}", user="admin", **whole).status == 200


def test_pages_since_2_40_give_each_server_once(books: Books) -> None:
    servers = {books.a_server(f"s{number}") for number in range(3)}
    books.pass_hours(1)
    seen: list[str] = []
    path, query = f"{USAGE}/{books.project}", urlencode({**books.period(0, 2), "limit": 2})
    while True:
        reply = books.scene.call("GET", f"{path}?{query}", version="2.40").json()
        if not reply["tenant_usage"]:
            break
        seen += [each["instance_id"] for each in reply["tenant_usage"]["server_usages"]]
        if "tenant_usage_links" not in reply:
            break
        query = urlsplit(reply["tenant_usage_links"][0]["href"]).query
    assert sorted(seen) == sorted(servers)
    whole = books.of_demo(0, 2, limit="1")  # 2.1 knows no pages.
    assert {each["instance_id"] for each in whole["server_usages"]} == servers
    nowhere = books.ask(version="2.40", marker="nobody", **books.period(0, 2))
    assert (nowhere.status, "marker" in nowhere.json()["badRequest"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "yesterday", "end": "2026-01-02T00:00:00"}, "start"),
        ({"start": "2026-01-02T00:00:00", "end": "2026-01-01T00:00:00"}, "start"),
        ({}, "start"),
        ({"start": "2026-01-01T00:00:00", "end": "x" * 5000}, "end"),
        ({"start": "2025-12-31T00:00:00", "colour": "red"}, "colour"),
    ],
)
def test_a_period_that_is_none_is_refused_by_its_field(
    books: Books, query: dict[str, str], field: str
) -> None:
    reply = books.ask(version="2.96", **query)
    assert (reply.status, field in reply.json()["badRequest"]["message"]) == (400, True), reply


def test_answers_are_as_tempest_takes_them(books: Books, response_schemas: ResponseSchemas) -> None:
    books.delete(books.a_server("gone"))
    books.a_server("there")
    books.pass_hours(1)
    for version in (None, "2.40", "2.96"):
        listed = books.ask(version=version, detailed="1", **books.period(0, 2))
        shown = books.ask(f"/{books.project}", version=version, **books.period(0, 2))
        for name, reply in (("list_tenant_usage", listed), ("get_tenant_usage", shown)):
            response_schemas.check(
                "tenant_usages", name, microversion=version, status=reply.status,
                body=reply.json(),
            )  # fmt: skip
