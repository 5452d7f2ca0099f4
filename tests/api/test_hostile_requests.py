"""Requests made to hurt, against every route: refused by name, in bounded memory and work."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest
from sqlalchemy import event

from tests.support.http_app import Reply, Site, a_site
from tests.support.world import PHY1, AgentByHand, a_card
from trunkline.api import limits
from trunkline.api.routes import ROUTES
from trunkline.api.routing import Auth, Route

MIB = 1024 * 1024
UUID = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"
TAKING = [r for r in ROUTES if r.method in ("POST", "PUT", "PATCH") and not r.streams]
LISTING = [r for r in ROUTES if r.method == "GET" and "{" not in r.path]
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("hostile")) as opened:
        AgentByHand(opened.svc, "h1", a_card(5, PHY1, vf_count=8))
        yield opened


@pytest.fixture(scope="module")
def admin(site: Site) -> str:
    return site.token("admin")


def filled(path: str, text: str = UUID) -> str:
    return "/".join(text if part.startswith("{") else part for part in path.split("/"))


def check(reply: Reply) -> None:
    assert reply.status < 500 or reply.status == 501, reply
    assert b"Traceback" not in reply.body
    assert b'File "' not in reply.body
    assert len(reply.body) < 2 * MIB


# Each is JSON that costs its reader much more than it has bytes, unless the reader takes care; or
# none, though many readers take it.
KEY = b"k" * 20_000
BODIES: dict[str, bytes] = {
    "a deep list": b"[" * 30_000 + b"]" * 30_000,
    "a deep object": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep to the limit, in all directions": b'{"network":' + b"[" * 20 + b"1" + b"]" * 20 + b"}",
    "many items below a long name": b'{"' + KEY + b'":[' + b"1," * 20_000 + b"1]}",
    "many empty lists": b"[" + b"[]," * 20_000 + b"[]]",
    "many names": b"{" + b",".join(b'"a%d":1' % n for n in range(5_000)) + b"}",
    "one name many times": b"{" + b",".join([b'"network":{}'] * 5_000) + b"}",
    "not a number": b'{"network":{"mtu":NaN}}',
    "infinity": b'{"network":{"mtu":-Infinity}}',
    "a number beyond all": b'{"network":{"mtu":1e400}}',
    "a number of 60,000 digits": b'{"network":{"mtu":' + b"9" * 60_000 + b"}}",
    "a number beyond 64 bits": b'{"network":{"mtu":18446744073709551616}}',
    "half of a surrogate pair": b'{"network":{"name":"\\ud83d"}}',
    "two halves the wrong way round": b'{"network":{"name":"\\ude00\\ud83d"}}',
    "a NUL": b'{"network":{"name":"a\\u0000b"}}',
    "no UTF-8": b'{"network":{"name":"\xc0\xaf"}}',
    "a byte order mark": b'\xef\xbb\xbf{"network":{}}',
    "UTF-16": '{"network":{}}'.encode("utf-16"),
    "a comment": b'{"network":{}} // why not',
    "two documents": b"{}{}",
    "XML": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "a form": b"network=1&name=2",
    "nothing": b"",
    "blanks": b" " * 60_000,
}


@pytest.mark.parametrize("route", TAKING, ids=name_of)
def test_hostile_bodies_are_refused_at_every_route(site: Site, admin: str, route: Route) -> None:
    for what, raw in BODIES.items():
        reply = site.http.request(
            route.method, filled(route.path), token=admin, raw=raw, headers=PATCH
        )
        check(reply)
        assert reply.status >= 400 or what in (
            "nothing", "blanks", "many names", "one name many times", "many items below a long name"
        ), (what, reply)  # fmt: skip


def test_what_a_body_costs_in_memory_is_bounded_by_its_size(site: Site, admin: str) -> None:
    long_key = b"k" * 50_000
    for raw in (
        b'{"' + long_key + b'":[' + b"1," * 10_000 + b"1]}",
        b"[" + b"[]," * 40_000 + b"[]]",
        b'{"network":{"name":"' + b"x" * 1_000_000 + b'"}}',
        b'{"network":{"tags":[' + b'"a",' * 20_000 + b'"a"]}}',
    ):
        tracemalloc.start()
        try:
            path = "/network/v2.0/networks"
            check(site.http.request("POST", path, token=admin, raw=raw))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 48 * MIB, f"{raw[:30]!r}: {peak / MIB:.0f} MiB"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"])
def test_compressed_bodies_are_refused_unread(site: Site, admin: str, encoding: str) -> None:
    reply = site.http.request(
        "POST", "/network/v2.0/networks", token=admin, raw=b"\x1f\x8b" + bytes(1000),
        headers={"Content-Encoding": encoding},
    )  # fmt: skip
    assert reply.status == 415


MANY = limits.QUERY_PAIRS_MAX - 10
QUERIES: dict[str, str] = {
    "one filter with many values": "&".join(f"id={n}" for n in range(MANY)),
    "many filters": "&".join(f"a{n}=1" for n in range(MANY)),
    "one unknown filter with many values": "&".join(f"unknown={n}" for n in range(MANY)),
    "many tags by name": "&".join(f"tag={n}" for n in range(MANY)),
    "many tags, one is enough": "tags-any=" + ",".join(f"t{n}" for n in range(3000)),
    "many tags not to have": "not-tags=" + ",".join(f"t{n}" for n in range(3000)),
    "many names": "&".join(f"name={n}" for n in range(MANY)),
    "many names to show": "&".join(["fields=id"] * MANY),
    "many limits": "&".join(["limit=1"] * MANY),
    "a page of everything": "limit=9223372036854775807",
    "a marker of another kind": f"marker={UUID}&limit=1",
    "an expression that goes back and forth": "name=" + "(a%2B)%2B" * 10 + "%24",
    "a pattern of wildcards": "name=" + ".*" * 120,
    "LIKE's own wildcards": "name=" + "%25" * 200 + "_",
    "an expression of a database": "name=in%3A1%2C2%27%29%3B--",
    "operators of Neutron and Glance": "name=like%3Ax&created_at=gt%3Ax&size_min=-1",
    "a header in a value": "name=a%0d%0aX-Evil:%20b",
    "a path": "host=..%2F..%2Fetc%2Fpasswd",
    "a date that is none": "changes-since=9999-99-99T99:99:99Z",
    "the end of time": "changes-since=9999-12-31T23:59:59%2B14:00",
    "many tags": "tags=" + ",".join(f"t{n}" for n in range(3000)),
}


@pytest.mark.parametrize("route", LISTING, ids=name_of)
def test_hostile_queries_are_answered_in_bounded_work_at_every_list(
    site: Site, admin: str, route: Route
) -> None:
    """Work is counted as statements, and as what they are given to compare."""
    statements: list[int] = []
    engine = site.svc.store._engine

    def note(_c: object, _cur: object, _s: str, parameters: object, *_: object) -> None:
        statements.append(len(parameters) if isinstance(parameters, dict | list | tuple) else 0)

    event.listen(engine, "before_cursor_execute", note)
    try:
        for what, query in QUERIES.items():
            for version in ("2.1", "latest"):
                statements.clear()
                sent = {"X-OpenStack-Nova-API-Version": version}
                target = f"{filled(route.path)}?{query}"
                reply = site.http.request("GET", target, token=admin, headers=sent)
                check(reply)
                assert "x-evil" not in reply.headers
                assert len(statements) <= 60, (what, len(statements))
                assert sum(statements) <= 10 * limits.QUERY_PAIRS_MAX, (what, sum(statements))
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_methods_that_a_path_does_not_have_are_405_whatever_a_header_says(
    site: Site, route: Route
) -> None:
    path = filled(route.path)
    override = {"X-HTTP-Method-Override": route.method, "X-Method-Override": route.method}
    for method in ("OPTIONS", "TRACE", "PROPFIND", "get", "G" * 100):
        reply = site.http.request(method, path, headers={**override, "X-Told": "secret"})
        assert reply.status == 405, (method, reply)
        assert route.method in reply.headers["allow"].split(", ")
        assert b"secret" not in reply.body


@pytest.mark.parametrize(
    "token", ["x" * 30_000, "\xff" * 300, "a b", "'; DROP TABLE token;--", "null", "%00", "{}"]
)
@pytest.mark.parametrize("route", [r for r in ROUTES if r.auth is Auth.USER][::7], ids=name_of)
def test_tokens_that_are_none_are_401(site: Site, route: Route, token: str) -> None:
    reply = site.http.request(route.method, filled(route.path), token=token)
    assert reply.status == 401
    assert token not in reply.body.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-OpenStack-Nova-API-Version", "9" * 5_000),
        ("X-OpenStack-Nova-API-Version", "2.1.1"),
        ("X-OpenStack-Nova-API-Version", "2.-1"),
        ("X-OpenStack-Nova-API-Version", "\xb2.1"),
        ("OpenStack-API-Version", "compute " * 2_000),
        ("Content-Type", "application/json; charset=utf-7"),
        ("Accept", "application/xml, " * 1_000),
        ("If-Match", "revision_number=" + "9" * 5_000),
        ("If-Match", "*, " * 3_000),
        ("Range", "bytes=0-" + ",0-" * 3_000),
        ("Host", "a" * 5_000),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Openstack-Request-Id", "req-x\x7f"),
    ],
)
def test_hostile_headers_are_answered(site: Site, admin: str, name: str, value: str) -> None:
    for method, path in (
        ("GET", "/compute/v2.1/servers"),
        ("GET", "/network/v2.0/networks"),
        ("PUT", f"/network/v2.0/networks/{UUID}"),
        ("GET", f"/image/v2/images/{UUID}/file"),
        ("GET", "/placement/resource_providers"),
    ):
        reply = site.http.request(method, path, token=admin, body={}, headers={name: value})
        check(reply)
        assert b"evil.example" not in reply.body


def test_a_refusal_names_the_field_however_it_is_called(site: Site, admin: str) -> None:
    for field, value in (("mtu", "x"), ("mtu", 10**30), ("name", ["a"]), ("admin_state_up", 7)):
        body = {"network": {field: value}}
        reply = site.http.request("POST", "/network/v2.0/networks", token=admin, body=body)
        assert reply.status == 400
        assert f"network.{field}" in reply.json()["NeutronError"]["message"]
    long_name = {"network": {"x" * 30_000: "\0"}}
    raw = json.dumps(long_name).encode()
    reply = site.http.request("POST", "/network/v2.0/networks", token=admin, raw=raw)
    assert reply.status == 400
    assert len(reply.body) < 2_000, "nor is all of it told back"
