"""What every route has from the edge: authentication, limits, errors, request IDs, the log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.http_app import InProcess, Site, a_site, password_login
from trunkline.api import limits
from trunkline.api.compute.versions import HIGHEST
from trunkline.api.http import LongPoll, Request, Response
from trunkline.api.parsing import body_fields
from trunkline.api.routing import Auth, get, post
from trunkline.control.services import Services
from trunkline.domain.errors import InUse, NotFound, StoreUnavailable
from trunkline.domain.ids import HostName
from trunkline.domain.policy.trunkline_rules import LIST_HOSTS


def _echo(_svc: Services, request: Request) -> Response:
    fields = body_fields(request, "thing")
    return Response(body={"name": fields.text("name"), "count": fields.integer("count", None)})


def _whoami(_svc: Services, request: Request) -> Response:
    return Response(body={"user": request.caller.user_name})


def _agent(_svc: Services, request: Request) -> Response:
    return Response(body={"host": request.host_name})


def _break(_svc: Services, _request: Request) -> Response:
    raise ZeroDivisionError("secret-detail")


def _version(_svc: Services, request: Request) -> Response:
    return Response(body={"microversion": str(request.version)})


def _missing(_svc: Services, request: Request) -> Response:
    raise NotFound("port", request.params["id"])


def _busy(_svc: Services, _request: Request) -> Response:
    raise InUse("subnet", "s1", "port p1")


def _no_store(_svc: Services, _request: Request) -> Response:
    raise StoreUnavailable("disk full")


EXTRA = (
    post("/trunkline/test/echo", _echo, Auth.PUBLIC),
    get("/trunkline/test/whoami", _whoami),
    get("/trunkline/test/admin", _whoami, LIST_HOSTS),
    get("/trunkline/test/agent", _agent, Auth.AGENT),
    get("/trunkline/test/break", _break, Auth.PUBLIC),
    get("/compute/v2.1/test/version", _version),
    get("/compute/v2.1/test/missing/{id}", _missing, Auth.PUBLIC),
    get("/network/v2.0/test/missing/{id}", _missing, Auth.PUBLIC),
    get("/network/v2.0/test/busy", _busy, Auth.PUBLIC),
    get("/identity/test/missing/{id}", _missing, Auth.PUBLIC),
    get("/image/v2/test/missing/{id}", _missing, Auth.PUBLIC),
    get("/trunkline/test/missing/{id}", _missing, Auth.PUBLIC),
    get("/trunkline/test/no_store", _no_store, Auth.PUBLIC),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("edge"), *EXTRA) as opened:
        yield opened


@pytest.fixture
def http(site: Site) -> InProcess:
    return site.http


def test_an_unknown_path_is_404_and_a_wrong_method_405_with_what_is_allowed(
    http: InProcess,
) -> None:
    assert http.request("GET", "/nowhere").status == 404
    assert http.request("GET", "/identity/v3/../../etc").status == 404
    reply = http.request("PUT", "/trunkline/test/whoami")
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"


def test_head_answers_as_get_does_without_the_body(http: InProcess) -> None:
    full, head = http.request("GET", "/network"), http.request("HEAD", "/network")
    assert head.status == full.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(full.body))


def test_every_answer_names_its_request(http: InProcess) -> None:
    replies = [
        http.request("GET", path)
        for path in ("/", "/nowhere", "/trunkline/test/whoami", "/trunkline/test/break")
    ]
    ids = [reply.headers["x-openstack-request-id"] for reply in replies]
    assert all(one.startswith("req-") and len(one) == 40 for one in ids)
    assert len(set(ids)) == len(ids)


def test_a_bug_is_500_without_a_trace_and_in_the_log_once_with_one(http: InProcess) -> None:
    with capture_logs() as logs:
        reply = http.request("GET", "/trunkline/test/break")
    request_id = reply.headers["x-openstack-request-id"]
    assert reply.status == 500
    assert b"secret-detail" not in reply.body
    assert b"Traceback" not in reply.body
    assert reply.headers["x-openstack-request-id"].encode() in reply.body
    errors = [line for line in logs if line["log_level"] == "error"]
    assert len(errors) == 1
    assert errors[0]["exc_info"]
    assert [line["request_id"] for line in logs if line["event"] == "request"] == [request_id]
    assert errors[0]["request_id"] == request_id


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body: must be an object, not a list"),
        (b"null", "body: must be an object, not null"),
        (b"NaN", "body"),
        (b"\xff\xfe", "body"),
        (b"{}", "thing: is required"),
        (b'{"thing": 7}', "thing: must be an object, not a number"),
        (b'{"thing": {}}', "thing.name: is required"),
        (b'{"thing": {"name": null}}', "thing.name: is required"),
        (b'{"thing": {"name": ["a"]}}', "thing.name: must be text, not a list"),
        (b'{"thing": {"name": "a\\u0000b"}}', "thing.name: has a NUL character"),
        (b'{"thing": {"name": "\\ud800 "}}', "body"),
        (b'{"thing": {"name": "\\ud800"}}', "body"),
        (b'{"thing": {"name": "' + b"x" * 256 + b'"}}', "thing.name: must have 0 to 255"),
        (b'{"thing": {"name": "a", "count": 1.5}}', "thing.count: must be a whole number"),
        (b'{"thing": {"name": "a", "count": true}}', "thing.count: must be a whole number"),
        (b'{"thing": {"name": "a", "count": "' + b"9" * 40 + b'"}}', "thing.count"),
        (b'{"thing": {"name": "a", "count": 1' + b"0" * 30 + b"}}", "thing.count"),
        (b'{"thing": {"name": "a", "count": 1' + b"0" * 5000 + b"}}", "body"),
        (b'{"thing": {"name": "a", "count": 1e999}}', "body"),
        (b'{"thing": {"name": "a", "x\\u0000y": 1}}', "thing: a name in it"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b"[" * 30_000 + b"]" * 30_000, "nested deeper"),
        (b'{"a":' * 10_000, "nested deeper"),
    ],
)
def test_a_malformed_body_is_400_and_the_field_is_named(
    http: InProcess, body: bytes, told: str
) -> None:
    reply = http.request("POST", "/trunkline/test/echo", raw=body)
    assert reply.status == 400, reply
    assert told in reply.json()["error"]["message"]


def test_well_formed_text_of_any_script_is_taken(http: InProcess) -> None:
    name = "Größe 網路 😀 ￿"
    reply = http.request(
        "POST", "/trunkline/test/echo", body={"thing": {"name": name, "count": "7"}}
    )
    assert reply.json() == {"name": name, "count": 7}


@pytest.mark.parametrize(
    "target",
    [
        "/nowhere?name=%00",
        "/nowhere?%00=a",
        "/nowhere?name=%ff",
        "/nowhere?name=%ED%A0%80",
        "/trunkline/test/missing/%00",
        "/trunkline/test/missing/%ff",
    ],
)
def test_what_is_no_text_in_the_target_is_400(http: InProcess, target: str) -> None:
    assert http.request("GET", target).status == 400


def test_an_encoded_slash_is_part_of_a_name(http: InProcess) -> None:
    reply = http.request("GET", "/trunkline/test/missing/a%2Fb")
    assert reply.status == 404
    assert "port a/b" in reply.json()["error"]["message"]


def test_each_limit_is_kept(http: InProcess) -> None:
    too_long = b'{"thing": {"name": "a"}}' + b" " * limits.BODY_BYTES_MAX
    echo = "/trunkline/test/echo"
    assert http.request("POST", echo, raw=too_long).status == 413
    declared = {"Content-Length": str(limits.BODY_BYTES_MAX + 1)}
    assert http.request("POST", echo, raw=b"{}", headers=declared).status == 413
    long_target = "/?name=" + "x" * limits.TARGET_BYTES_MAX
    assert http.request("GET", long_target).status == 414
    assert http.request("GET", "/?" + "a=&" * (limits.QUERY_PAIRS_MAX + 1)).status == 400
    big = {"X-Big": "x" * limits.HEADER_BYTES_MAX}
    assert http.request("GET", "/", headers=big).status == 431
    assert http.request("POST", echo, raw=b"", headers={"Content-Encoding": "gzip"}).status == 415
    assert http.request("GET", "/", headers={"Host": 'evil"><script>'}).status == 400


def test_errors_come_in_the_form_of_the_face_that_was_asked(http: InProcess) -> None:
    message = "port p1 could not be found"
    assert http.request("GET", "/network/v2.0/test/missing/p1").json() == {
        "NeutronError": {"type": "PortNotFound", "message": message, "detail": ""}
    }
    assert http.request("GET", "/network/v2.0/test/busy").json()["NeutronError"]["type"] == (
        "SubnetInUse"
    )
    assert http.request("GET", "/compute/v2.1/test/missing/p1").json() == {
        "itemNotFound": {"code": 404, "message": message}
    }
    for face in ("/identity", "/image/v2"):
        assert http.request("GET", f"{face}/test/missing/p1").json() == {
            "error": {"code": 404, "title": "Not Found", "message": message}
        }
    ours = http.request("GET", "/trunkline/test/missing/p1").json()["error"]
    assert (ours["code"], ours["message"]) == ("request.not_found", message)


def test_what_may_work_later_is_503_with_a_time_to_wait(http: InProcess) -> None:
    reply = http.request("GET", "/trunkline/test/no_store")
    assert reply.status == 503
    assert reply.headers["retry-after"]


def test_who_has_no_valid_token_is_401(site: Site) -> None:
    for headers in ({}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": "ÿ"}, {"X-Auth-Token": ""}):
        reply = site.http.request("GET", "/trunkline/test/whoami", headers=headers)
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Keystone")
    reply = site.http.request("GET", "/trunkline/test/whoami", token=site.token("demo"))
    assert reply.json() == {"user": "demo"}


def test_a_member_is_refused_what_is_for_admins(site: Site) -> None:
    path = "/trunkline/test/admin"
    assert site.http.request("GET", path, token=site.token("demo")).status == 403
    assert site.http.request("GET", path, token=site.token("admin")).status == 200


def test_agents_and_users_are_not_taken_for_each_other(site: Site) -> None:
    token = site.token("admin")
    as_bearer = {"Authorization": f"Bearer {token}"}
    assert site.http.request("GET", "/trunkline/test/agent", headers=as_bearer).status == 401
    assert site.http.request("GET", "/trunkline/test/agent", token=token).status == 401
    assert site.http.request("GET", "/trunkline/test/whoami", headers=as_bearer).status == 401


@pytest.mark.parametrize(
    ("header", "value", "status", "got"),
    [
        ("Accept", "*/*", 200, "2.1"),
        ("OpenStack-API-Version", "compute 2.30", 200, "2.30"),
        ("OpenStack-API-Version", "network 9.9, compute 2.30", 200, "2.30"),
        ("OpenStack-API-Version", "network 9.9", 200, "2.1"),
        ("OpenStack-API-Version", "compute latest", 200, str(HIGHEST)),
        ("X-OpenStack-Nova-API-Version", "2.47", 200, "2.47"),
        ("OpenStack-API-Version", "compute 2.0", 406, None),
        ("OpenStack-API-Version", "compute 2.999", 406, None),
        ("OpenStack-API-Version", "compute 3.1", 406, None),
        ("OpenStack-API-Version", "compute 2", 400, None),
        ("OpenStack-API-Version", "compute 2.01", 400, None),
        ("X-OpenStack-Nova-API-Version", "2.9x", 400, None),
        ("X-OpenStack-Nova-API-Version", "", 400, None),
        ("X-OpenStack-Nova-API-Version", "2.²", 400, None),
    ],
)
def test_the_microversion_is_negotiated_as_nova_does(
    site: Site, header: str, value: str, status: int, got: str | None
) -> None:
    path, token = "/compute/v2.1/test/version", site.token("demo")
    reply = site.http.request("GET", path, token=token, headers={header: value})
    assert reply.status == status
    if got is None:
        assert "message" in next(iter(reply.json().values()))
        return
    assert reply.json() == {"microversion": got}
    assert reply.headers["openstack-api-version"] == f"compute {got}"
    assert reply.headers["x-openstack-nova-api-version"] == got
    assert "OpenStack-API-Version" in reply.headers["vary"]


def test_the_log_has_one_line_a_request_and_no_secret(site: Site) -> None:
    token = site.token("demo")
    with capture_logs() as logs:
        site.http.request("GET", f"/trunkline/test/whoami?token={token}", token=token)
        site.http.request(
            "POST", "/identity/v3/auth/tokens", body=password_login("demo", "Pa55word", "demo")
        )
        site.http.request(
            "GET",
            "/identity/v3/auth/tokens",
            token=token,
            headers={"X-Subject-Token": token, "Authorization": "Bearer h0stt0ken"},
        )
    assert [line["event"] for line in logs] == ["request"] * 3
    assert [line["status"] for line in logs] == [200, 401, 200]
    assert logs[0]["user"] == "demo"
    written = repr(logs)
    assert token not in written
    assert "Pa55word" not in written
    assert "h0stt0ken" not in written


class Mailbox:
    """What a host waits for, in a test."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None
        self.looked = threading.Semaphore(0)

    def poll(self, timeout_seconds: float) -> LongPoll:
        def ready() -> Response | None:
            self.looked.release()
            return None if self.found is None else Response(body=self.found)

        return LongPoll(
            host_name=HostName("h1"),
            ready=ready,
            timeout_seconds=timeout_seconds,
            otherwise=Response(status=304),
        )


@pytest.fixture
def box(tmp_path: Path) -> Iterator[tuple[Site, Mailbox]]:
    mailbox = Mailbox()
    routes = (
        get("/trunkline/wait", lambda _svc, _request: mailbox.poll(20), Auth.PUBLIC),
        get("/trunkline/glance", lambda _svc, _request: mailbox.poll(0.01), Auth.PUBLIC),
    )
    with a_site(tmp_path, *routes) as site:
        yield site, mailbox


def test_a_long_poll_answers_as_soon_as_its_host_is_woken(box: tuple[Site, Mailbox]) -> None:
    site, mailbox = box
    waiting = site.http.start("GET", "/trunkline/wait")
    mailbox.looked.acquire()
    site.wakeups.wake(HostName("another"))
    site.wakeups.wake(HostName("h1"))  # Nothing there yet: it goes on waiting.
    mailbox.looked.acquire()
    mailbox.found = {"generation": 2}
    site.svc.wake_host(HostName("h1"))
    assert waiting.result(10).json() == {"generation": 2}


def test_a_long_poll_that_finds_nothing_says_so_in_time(box: tuple[Site, Mailbox]) -> None:
    assert box[0].http.request("GET", "/trunkline/glance").status == 304


def test_long_polls_hold_no_worker_thread(box: tuple[Site, Mailbox]) -> None:
    site, mailbox = box
    count = limits.WORKER_THREADS * 3
    waiting = [site.http.start("GET", "/trunkline/wait") for _ in range(count)]
    for _ in range(count):
        mailbox.looked.acquire()
    assert site.http.request("GET", "/healthz").status == 200
    mailbox.found = {}
    site.wakeups.wake(HostName("h1"))
    assert {one.result(10).status for one in waiting} == {200}


def test_long_polls_end_when_the_service_stops_or_the_client_goes(
    box: tuple[Site, Mailbox],
) -> None:
    site, mailbox = box
    gone = threading.Event()
    left = site.http.start("GET", "/trunkline/wait", gone=gone)
    mailbox.looked.acquire()
    gone.set()
    assert left.result(10).status == 0  # Nobody was there to be answered.
    stopped = site.http.start("GET", "/trunkline/wait")
    mailbox.looked.acquire()
    site.wakeups.close()
    assert stopped.result(10).status == 304
