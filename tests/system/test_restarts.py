"""Restarts under load: no request fails, and nothing that was acknowledged is lost."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_app import password_login
from tests.support.patience import HANGS_SECONDS
from tests.support.processes import Running, trunkline
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks"
CLIENTS = 4


@dataclass(slots=True)
class Load:
    """Clients with a kept connection each, which ask as fast as they are answered.

    They open another connection when an answer says that theirs ends, and never ask twice.
    """

    address: tuple[str, int]
    token: str
    acknowledged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)

    def ask(
        self, client: http.client.HTTPConnection, method: str, path: str, body: object = None
    ) -> Any:
        sent = None if body is None else json.dumps(body)
        client.request(method, path, body=sent, headers={"X-Auth-Token": self.token})
        answer = client.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise AssertionError(f"{method} {path}: {answer.status} {content!r}")
        return json.loads(content)

    def run(self, number: int) -> None:
        client = http.client.HTTPConnection(*self.address, timeout=HANGS_SECONDS)
        for count in itertools.count():
            if self.ending.is_set():
                break
            name = f"flavor-{number}-{count}"
            flavor = {"name": name, "ram": 64, "vcpus": 1, "disk": 1}
            try:
                self.ask(client, "POST", "/compute/v2.1/flavors", {"flavor": flavor})
                self.acknowledged.append(name)
                self.ask(client, "GET", "/network/v2.0/networks")
            except (OSError, http.client.HTTPException, AssertionError) as failed:
                self.failures.append(f"{name}: {failed!r}")
                client.close()
            self.counts[number] = count
        client.close()

    def wait_for_progress(self) -> None:
        """Wait until each client has been answered a few times more."""
        wanted = {number: count + 5 for number, count in self.counts.items()}
        wait_until(
            lambda: all(self.counts[number] >= count for number, count in wanted.items()),
            "each client is answered five times more",
            seconds=HANGS_SECONDS,
        )

    def names_kept(self) -> set[str]:
        client = http.client.HTTPConnection(*self.address, timeout=HANGS_SECONDS)
        names: set[str] = set()
        page = self.ask(client, "GET", "/compute/v2.1/flavors?limit=500")["flavors"]
        while page:
            names |= {flavor["name"] for flavor in page}
            target = f"/compute/v2.1/flavors?limit=500&marker={page[-1]['id']}"
            page = self.ask(client, "GET", target)["flavors"]
        client.close()
        return names


@contextmanager
def under_load(address: tuple[str, int], password: str) -> Iterator[Load]:
    client = http.client.HTTPConnection(*address, timeout=HANGS_SECONDS)
    login = json.dumps(password_login("admin", password, "admin"))
    client.request("POST", "/identity/v3/auth/tokens", body=login)
    answer = client.getresponse()
    assert answer.status == 201, answer.read()
    load = Load(address, answer.headers["X-Subject-Token"])
    client.close()
    load.counts.update(dict.fromkeys(range(CLIENTS), 0))
    threads = [threading.Thread(target=load.run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        load.wait_for_progress()
        yield load
        load.wait_for_progress()
    finally:
        load.ending.set()
        for thread in threads:
            thread.join()
    assert load.failures == []
    lost = set(load.acknowledged) - load.names_kept()
    assert lost == set()


def configure(
    home: Path, key: Path, *, before: str = "", listen: str = "", after: str = ""
) -> None:
    home.mkdir(exist_ok=True)
    config = (EXAMPLE / "controller.toml").read_text().replace("[listen]\n", f"[listen]\n{listen}")
    home.joinpath("controller.toml").write_text(before + config + after)
    shutil.copyfile(key, home / "enrolment.key")
    (home / "enrolment.key").chmod(0o600)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "enrolment.key"
    file.write_text("k" * 40)
    return file


def password_in(home: Path) -> str:
    clouds = json.loads((home / "state/controller/clouds.yaml").read_text())["clouds"]
    return str(clouds["trunkline"]["auth"]["password"])


def test_a_service_that_is_passed_its_socket_is_restarted_without_a_failed_request(
    tmp_path: Path, key: Path
) -> None:
    """One node, SQLite: what arrives while nobody answers waits in the socket, which stays."""
    home = tmp_path / "c"
    configure(home, key)

    def start() -> AbstractContextManager[Running]:
        return trunkline(home, "server", "--config", "controller.toml", listener=listener)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, ExitStack() as stack:
        address = ("127.0.0.1", listener.getsockname()[1])
        running = stack.enter_context(start())
        assert running.url == f"http://127.0.0.1:{address[1]}"
        with under_load(address, password_in(home)) as load:
            for _ in range(2):
                assert running.signal(signal.SIGTERM) == 0
                running = stack.enter_context(start())
                load.wait_for_progress()


HAPROXY = """
global
    stats socket {directory}/haproxy.sock
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 10s
    option redispatch
    option httpchk GET /healthz
    default-server inter 300ms fall 1 rise 1
frontend all
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance roundrobin
{servers}
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def a_load_balancer(directory: Path, port: int, replicas: dict[str, int]) -> Iterator[None]:
    program = shutil.which("haproxy")
    if program is None:
        pytest.fail("haproxy is not there: apt install haproxy", pytrace=False)
    servers = "\n".join(f"    server {name} 127.0.0.1:{at} check" for name, at in replicas.items())
    file = directory / "haproxy.cfg"
    file.write_text(HAPROXY.format(directory=directory, port=port, servers=servers))
    with subprocess.Popen([program, "-db", "-f", str(file)]) as process:
        try:
            yield
        finally:
            process.terminate()


def wait_until_up(directory: Path, count: int) -> None:
    """Wait until so many replicas are up by the load balancer's own word."""

    def are_up() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.path.relpath(directory / "haproxy.sock"))
                client.sendall(b"show stat\n")
                stats = b"".join(iter(lambda: client.recv(65536), b""))
        except (FileNotFoundError, ConnectionError):
            return False
        return stats.count(b",UP,") > count  # Theirs, and the backend's.

    wait_until(are_up, "HAProxy sees all replicas", seconds=HANGS_SECONDS, look_seconds=0.1)


def test_replicas_behind_a_load_balancer_are_restarted_one_by_one_without_a_failed_request(
    tmp_path: Path, key: Path, new_empty_postgres_database: Callable[[], str]
) -> None:
    url = new_empty_postgres_database()
    ports = free_ports(3)
    replicas = dict(zip("ab", ports[1:], strict=True))
    for name, port in replicas.items():
        configure(
            tmp_path / name,
            key,
            before=f'images_dir = "{tmp_path}/images"\n',
            listen=f"port = {port}\ndrain_seconds = 3\n",
            after=f'\n[database]\nurl = "{url}"\n',
        )

    def start(name: str) -> Running:
        return stack.enter_context(
            trunkline(tmp_path / name, "server", "--config", "controller.toml")
        )

    with ExitStack() as stack:
        running = {name: start(name) for name in replicas}
        stack.enter_context(a_load_balancer(tmp_path, ports[0], replicas))
        wait_until_up(tmp_path, 2)
        with under_load(("127.0.0.1", ports[0]), password_in(tmp_path / "a")) as load:
            for name in ("a", "b"):
                assert running[name].signal(signal.SIGTERM) == 0
                running[name] = start(name)
                wait_until_up(tmp_path, 2)
                load.wait_for_progress()
