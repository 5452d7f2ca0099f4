"""What only a real connection shows: broken HTTP, early refusals, big bodies, many at once."""

from __future__ import annotations

import errno
import http.client
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.http_app import CHEAP_PASSWORDS, Site, a_site, password_login, served
from tests.support.patience import HANGS_SECONDS
from trunkline.api import limits
from trunkline.control.passwords import Passwords
from trunkline.control.services import Limits

MIB = 1024 * 1024
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, tuple[str, int]]]:
    small = Limits(image_size_bytes_max=64 * MIB)
    with a_site(tmp_path_factory.mktemp("tcp"), limits=small) as site, served(site.app) as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield site, (parts.hostname, parts.port)


def connect(address: tuple[str, int]) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(*address, timeout=HANGS_SECONDS))


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"NOT HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(range(256)) * 10,
    ],
)
def test_broken_http_breaks_its_own_connection_only(
    place: tuple[Site, tuple[str, int]], sent: bytes
) -> None:
    with socket.create_connection(place[1], timeout=HANGS_SECONDS) as broken:
        try:
            broken.sendall(sent)
            broken.shutdown(socket.SHUT_WR)
            while broken.recv(65536):
                pass
        except OSError as ended:
            # The service may end the connection at any of these; a time-out is none of these.
            assert ended.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)  # noqa: PT017
    with connect(place[1]) as client:
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200


def test_a_body_that_is_refused_unread_does_not_poison_the_connection(
    place: tuple[Site, tuple[str, int]],
) -> None:
    with connect(place[1]) as client:
        client.putrequest("POST", "/identity/v3/auth/tokens")
        client.putheader("Content-Length", str(limits.BODY_BYTES_MAX + 1))
        client.endheaders()
        reply = client.getresponse()
        assert reply.status == 413
        reply.read()
    with connect(place[1]) as client:
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200


def test_images_are_never_whole_in_memory(place: tuple[Site, tuple[str, int]]) -> None:
    site, address = place
    size, token = 48 * MIB, site.token("demo")
    body = {"disk_format": "raw", "container_format": "bare"}
    created = site.http.request("POST", "/image/v2/images", token=token, body=body).json()
    path = f"/image/v2/images/{created['id']}/file"
    piece = bytes(256 * 1024)
    tracemalloc.start()
    try:
        with connect(address) as client:
            client.request(
                "PUT",
                path,
                body=(piece for _ in range(size // len(piece))),
                headers={
                    "X-Auth-Token": token,
                    "Content-Type": OCTETS,
                    "Content-Length": str(size),
                },
            )
            assert client.getresponse().status == 204
        with connect(address) as client:
            client.request("GET", path, headers={"X-Auth-Token": token})
            reply = client.getresponse()
            received = 0
            while got := reply.read(len(piece)):
                received += len(got)
        assert received == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB, f"{peak / MIB:.1f} MiB at most held at one time"


def test_a_client_that_stops_reading_holds_up_nobody(
    place: tuple[Site, tuple[str, int]],
) -> None:
    site, address = place
    token = site.token("demo")
    body = {"disk_format": "raw", "container_format": "bare"}
    created = site.http.request("POST", "/image/v2/images", token=token, body=body).json()
    path = f"/image/v2/images/{created['id']}/file"
    headers = {"Content-Type": OCTETS}
    sent = site.http.request("PUT", path, token=token, raw=bytes(20 * MIB), headers=headers)
    assert sent.status == 204
    stalled = []
    for _ in range(limits.WORKER_THREADS + 4):
        reader = socket.create_connection(address, timeout=HANGS_SECONDS)
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n\r\n"
        reader.sendall(request.encode())
        assert reader.recv(12) == b"HTTP/1.1 200"
        stalled.append(reader)
    with connect(address) as client:
        client.request("GET", "/image/v2/images", headers={"X-Auth-Token": token})
        assert client.getresponse().status == 200
    for one in stalled:
        one.close()


class HeldPasswords(Passwords):
    """Checks passwords as ever, but not before it is told to go on."""

    def __init__(self) -> None:
        super().__init__(CHEAP_PASSWORDS)
        self.running = threading.Semaphore(0)
        self.go_on = threading.Event()

    def matches(self, password: str, stored_hash: str | None) -> bool:
        self.running.release()
        self.go_on.wait(30)
        return super().matches(password, stored_hash)


def test_logins_never_starve_the_other_requests(tmp_path: Path) -> None:
    passwords, count = HeldPasswords(), limits.SLOW_WORKER_THREADS + 4
    with a_site(tmp_path, passwords=passwords) as site, ThreadPoolExecutor(count) as pool:
        logins = [pool.submit(site.token, "demo") for _ in range(count)]
        try:
            for _ in range(limits.SLOW_WORKER_THREADS):
                assert passwords.running.acquire(timeout=HANGS_SECONDS)
            assert site.http.request("GET", "/healthz").status == 200
            assert not passwords.running.acquire(blocking=False), "more than the lane has"
        finally:
            passwords.go_on.set()
        assert len({login.result(30) for login in logins}) == count


def test_who_logs_in_when_too_many_do_is_told_to_come_again_and_how_to_need_it_less(
    tmp_path: Path,
) -> None:
    passwords, count = HeldPasswords(), limits.SLOW_WORKER_THREADS + limits.SLOW_WAITING_MAX
    with a_site(tmp_path, passwords=passwords) as site:
        body = password_login("demo", site.passwords.demo, "demo")
        logins = [
            site.http.start("POST", "/identity/v3/auth/tokens", body=body) for _ in range(count + 1)
        ]
        try:
            (first,) = wait(logins, timeout=HANGS_SECONDS, return_when=FIRST_COMPLETED).done
            refused = first.result()
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert "try again in a second" in refused.json()["error"]["message"]
            assert "a token for as long as it is valid" in refused.json()["error"]["message"]
        finally:
            passwords.go_on.set()
        statuses = sorted(login.result(60).status for login in logins)
    assert statuses == [201] * count + [503], "those that waited are let in"
