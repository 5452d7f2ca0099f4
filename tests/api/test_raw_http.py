"""HTTP/1.1 byte by byte: what is strange is answered as the standard has it, harming nobody."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.http_app import Site, a_site, password_login, served
from tests.support.patience import HANGS_SECONDS
from tests.support.waiting import wait_until
from trunkline.api import limits
from trunkline.bootstrap.http_protocol import HEAD_BYTES_MAX, Connections

Address = tuple[str, int]
HOST = b"Host: 127.0.0.1\r\n"
LOGIN = b"POST /identity/v3/auth/tokens HTTP/1.1\r\n" + HOST


@dataclass(frozen=True, slots=True)
class Place:
    site: Site
    address: Address
    connections: Connections


@contextmanager
def a_place(tmp_path: Path, connections: Connections) -> Iterator[Place]:
    with a_site(tmp_path) as site, served(site.app, connections=connections) as url:
        yield Place(site, ("127.0.0.1", int(url.rsplit(":", 1)[1])), connections)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with a_place(tmp_path_factory.mktemp("raw"), Connections()) as opened:
        yield opened


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=HANGS_SECONDS)


def answers_to(address: Address, sent: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send these bytes at once; return all answers until the service closes, or rests for long."""
    with connect(address) as client:
        client.sendall(sent)
        return list(read_answers(client))


def read_answers(client: socket.socket) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Yield answers until the connection ends."""
    with client.makefile("rb") as stream:
        while line := stream.readline():
            status = int(line.split()[1])
            headers: dict[str, str] = {}
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            yield status, headers, stream.read(int(headers.get("content-length", 0)))


def status_of(client: socket.socket) -> int:
    """Read one whole answer, and no byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        got = client.recv(1)
        assert got, f"the connection ended: {head!r}"
        head += got
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            left = int(line.split(b":")[1])
            while left:
                left -= len(client.recv(left))
    return int(head.split()[1])


LAST = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def test_pipelined_requests_are_answered_each_and_in_order(place: Place) -> None:
    first = b"GET /network HTTP/1.1\r\n" + HOST + b"\r\n"
    second = LOGIN + b"Content-Length: 2\r\n\r\n{}"
    answers = answers_to(place.address, (first + second) * 20 + LAST)
    assert [status for status, _, _ in answers] == [200, 400] * 20 + [200]
    assert answers[-1][1]["connection"] == "close"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        # Which framing holds is not to be guessed: a proxy may have guessed otherwise.
        (LOGIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
        (LOGIN + b"Content-Length: 2, 3\r\n\r\n{} ", 400),
        (LOGIN + b"Content-Length: +2\r\n\r\n{}", 400),
        (LOGIN + b"Content-Length: -2\r\n\r\n{}", 400),
        (LOGIN + b"Content-Length: 0x2\r\n\r\n{}", 400),
        (LOGIN + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}", 400),
        (LOGIN + b"Content-Length : 2\r\n\r\n{}", 400),
        (LOGIN + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (LOGIN + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
        (LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (LOGIN.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", 400),
        # Heads.
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400),
        (b'GET / HTTP/1.1\r\nHost: a"><script>\r\n\r\n', 400),
        (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b": b\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: x\r\n" * 20_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-Auth-Token: a\r\nx-auth-token: b\r\n\r\n", 400),
        (b"GET /?a=" + b"x" * limits.TARGET_BYTES_MAX + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ],
)  # fmt: skip
def test_what_two_readers_could_read_as_different_requests_is_refused_and_ends(
    place: Place, sent: bytes, status: int
) -> None:
    """What follows on the connection would be read as a request that nobody has sent."""
    smuggled = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
    with capture_logs() as logs:
        answers = answers_to(place.address, sent + smuggled + LAST)
    assert answers[0][0] == status, answers
    if answers[0][1].get("connection") == "close":
        assert len(answers) == 1
    assert b"Traceback" not in answers[0][2]
    assert "unexpected error" not in [line["event"] for line in logs]


def test_chunked_bodies_are_read_as_they_come_with_extensions_and_trailers(place: Place) -> None:
    body = json.dumps(password_login("demo", place.site.passwords.demo, "demo")).encode()
    chunks = b"".join(b"1;ext=1\r\n%c\r\n" % byte for byte in body) + b"0\r\nX: y\r\n\r\n"
    sent = LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + LAST
    assert [status for status, _, _ in answers_to(place.address, sent)] == [201, 200]


def test_a_client_that_waits_for_100_continue_gets_it_before_a_body_and_not_before_a_refusal(
    place: Place,
) -> None:
    expect = b"Expect: 100-continue\r\nConnection: close\r\n"
    with connect(place.address) as client:
        client.sendall(LOGIN + expect + b"Content-Length: 2\r\n\r\n")
        with client.makefile("rb") as stream:
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert stream.readline() == b"\r\n"
            client.sendall(b"{}")
            assert stream.readline().split()[1] == b"400"
    refused = LOGIN + expect + b"Content-Length: 999999999\r\n\r\n"
    [(status, _, _)] = answers_to(place.address, refused)
    assert status == 413
    unknown = b"POST /network/v2.0/networks HTTP/1.1\r\n" + HOST + expect
    [(status, _, _)] = answers_to(place.address, unknown + b"Content-Length: 500000\r\n\r\n")
    assert status == 401, "a large body is not asked of those who may not send it"


def test_http_1_0_is_answered_and_ends_with_its_answer(place: Place) -> None:
    [(status, headers, _)] = answers_to(place.address, b"GET /network HTTP/1.0\r\n\r\n")
    assert (status, headers["connection"]) == (200, "close")


def test_a_target_may_be_a_whole_url_whose_host_goes_before_the_header(place: Place) -> None:
    sent = b"GET http://cloud.example:8774/network?x=y HTTP/1.1\r\nHost: other\r\n"
    [(status, _, body)] = answers_to(place.address, sent + b"Connection: close\r\n\r\n")
    assert status == 200
    assert b'"http://cloud.example:8774/network/v2.0/"' in body
    sent = b"GET HTTP://cloud.example HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n"
    assert answers_to(place.address, sent)[0][0] == 200
    for target in (b"http://", b"http:///network", b"http://u@h/network", b"ftp://h/", b"//h/"):
        sent = b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert answers_to(place.address, sent)[0][0] in (400, 404)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"OPTIONS *", 404), (b"OPTIONS /network", 405), (b"TRACE /network", 405),
        (b"CONNECT a:443", 404), (b"HEAD /network", 200), (b"PROPFIND /network", 405),
        (b"GET /network/../identity/v3", 404), (b"GET /%6eetwork", 200), (b"GET ?", 200),
    ],
)  # fmt: skip
def test_methods_and_targets_that_nobody_serves_are_told_so(
    place: Place, line: bytes, status: int
) -> None:
    secret = b"X-Auth-Token: told-to-nobody\r\nX-HTTP-Method-Override: DELETE\r\n"
    sent = line + b" HTTP/1.1\r\n" + HOST + secret + b"Connection: close\r\n\r\n"
    with connect(place.address) as client:
        client.sendall(sent)
        with client.makefile("rb") as stream:
            answer = stream.read()
    assert int(answer.split()[1]) == status
    assert b"told-to-nobody" not in answer
    if line.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")
    if status == 405:
        assert b"\r\nallow: GET, HEAD\r\n" in answer


def test_an_upgrade_is_not_taken_and_the_request_is_answered(place: Place) -> None:
    sent = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Upgrade: websocket, h2c\r\n"
    sent += b"Connection: Upgrade, close\r\nSec-WebSocket-Key: x\r\n\r\n"
    assert answers_to(place.address, sent)[0][0] == 200


def test_a_client_that_has_shut_its_half_down_has_gone(place: Place) -> None:
    with connect(place.address) as client:
        client.sendall(LOGIN + b"Content-Length: 500\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        assert list(read_answers(client)) == []
    assert answers_to(place.address, LAST)[0][0] == 200


def wait_for_no_connection(place: Place) -> None:
    all_of_them = place.connections
    wait_until(lambda: not all_of_them.open and not all_of_them.beginning, "no connection is left")


def test_a_head_that_never_ends_is_cut_off_and_so_is_silence(tmp_path: Path) -> None:
    with a_place(tmp_path, Connections(head_seconds_max=0.3)) as place:
        with connect(place.address) as slow, connect(place.address) as silent:
            slow.sendall(b"GET / HTTP/1.1\r\nX: ")
            dribbled = time.monotonic() + HANGS_SECONDS
            try:
                while time.monotonic() < dribbled:
                    slow.sendall(b"x")
                    slow.settimeout(0.01)
                    try:
                        answer = slow.recv(100)
                        break
                    except TimeoutError:
                        continue
            except ConnectionError:
                pytest.fail("cut off without a word")
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert silent.recv(100) == b""
        with connect(place.address) as kept:
            for _ in range(2):  # Between requests too.
                kept.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
                assert status_of(kept) == 200
            kept.sendall(b"G")
            assert status_of(kept) == 408
        wait_for_no_connection(place)


def test_a_body_that_goes_on_after_its_refusal_is_cut_off(tmp_path: Path) -> None:
    with a_place(tmp_path, Connections(head_seconds_max=0.3)) as place:
        with connect(place.address) as client:
            client.sendall(LOGIN + b"Content-Length: 99999999\r\n\r\n")
            assert status_of(client) == 413
            with pytest.raises(ConnectionError):  # noqa: PT012
                while True:
                    client.sendall(b"x" * 4096)
        wait_for_no_connection(place)


def test_a_client_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    with a_place(tmp_path, Connections(write_seconds_max=0.3)) as place:
        token = place.site.token("demo")
        body = {"disk_format": "raw", "container_format": "bare"}
        made = place.site.http.request("POST", "/image/v2/images", token=token, body=body).json()
        path = f"/image/v2/images/{made['id']}/file"
        octets = {"Content-Type": "application/octet-stream"}
        put = place.site.http.request("PUT", path, token=token, raw=bytes(24 << 20), headers=octets)
        assert put.status == 204
        with connect(place.address) as client:
            request = f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n\r\n"
            client.sendall(request.encode())
            assert client.recv(12) == b"HTTP/1.1 200"
            wait_for_no_connection(place)
            left = 24 << 20
            while got := client.recv(1 << 20):
                left -= len(got)
            assert left > 0


def test_of_too_many_connections_the_one_that_rests_for_longest_makes_room(
    tmp_path: Path,
) -> None:
    ask = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    with a_place(tmp_path, Connections(count_max=3)) as place:
        clients = [connect(place.address) for _ in range(3)]
        for client in (*clients, clients[0]):
            client.sendall(ask)
            assert status_of(client) == 200
        with connect(place.address) as another:
            another.sendall(ask)
            assert status_of(another) == 200
            assert clients[1].recv(4096) == b"", "this one"
            for client in (clients[0], clients[2], another):
                client.sendall(LOGIN + b"Content-Length: 5\r\n\r\n")
                client.sendall(b"{")  # All are at it: nobody can make room.
            wait_until(lambda: not place.connections.idle, "all are at it")
            with connect(place.address) as refused:
                assert status_of(refused) == 503
        for client in clients:
            client.close()


def test_large_bodies_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.api.edge.LARGE_BODIES_BYTES_MAX", 250_000)
    with a_place(tmp_path, Connections()) as place:
        token = place.site.token("demo")
        head = b"POST /network/v2.0/networks HTTP/1.1\r\n" + HOST
        head += b"X-Auth-Token: " + token.encode() + b"\r\nExpect: 100-continue\r\n"
        with connect(place.address) as first, connect(place.address) as second:
            first.sendall(head + b"Content-Length: 200000\r\n\r\n")
            assert status_of(first) == 100
            second.sendall(head + b"Content-Length: 200000\r\n\r\n")
            assert status_of(second) == 503
            first.sendall(b" " * 200_000)
            assert status_of(first) == 400
        with connect(place.address) as third:
            third.sendall(head + b"Content-Length: 200000\r\n\r\n")
            assert status_of(third) == 100
