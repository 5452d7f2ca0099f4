"""The agents' part of trunkline/v1, over TCP: enrol, long poll, report; each for its own host."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.support.http_app import served
from tests.support.patience import HANGS_SECONDS
from tests.support.two_networks import ENROLMENT_KEY, TwoNetworks
from tests.support.world import a_card
from trunkline.agent.http_transport import HttpTransport
from trunkline.agent.images import HttpImages
from trunkline.agent.transport import Transport, TransportFailed
from trunkline.client.agents import AgentApi, enrol
from trunkline.client.errors import ApiError, Unreachable
from trunkline.control.desired import desired_config
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName, ImageId
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.report import HostReport
from trunkline.wire.json import encode, to_builtins

H1, H2 = HostName("h1"), HostName("h2")


@contextmanager
def agent(url: str, host: HostName = H1) -> Iterator[AgentApi]:
    with AgentApi(url, host, enrol(url, host, ENROLMENT_KEY)) as api:
        yield api


def a_report(host: HostName = H1, number: int = 1) -> HostReport:
    return HostReport(host=host, run_id="r", number=number, generation=1)


NODE = {"number": 0, "cpus": "0-3", "memory_mib": 1}


def a_report_with(**changes: object) -> bytes:
    """A full report with other facts than an agent would write."""
    full = replace(
        a_report(),
        resources=HostResources(vcpus=1, memory_mib=1, disk_gib=1),
        inventory=tuple(a_card(5, "phy1")),
    )
    said = to_builtins(full)
    for place in (said, said["resources"], said["inventory"][0]["function"]):
        place.update({name: number for name, number in changes.items() if name in place})
    return encode(said)


def fetch_until_it_fails(transport: Transport) -> None:
    """The poll fails in a thread of its own, a moment after the first look."""
    deadline = time.monotonic() + HANGS_SECONDS
    while time.monotonic() < deadline:
        assert transport.fetch(H1, -1, 0) is None


def boot(world: TwoNetworks, name: str = "web") -> None:
    """Make a server that only h1 can have."""
    assert world.server(name, world.port(world.red, name, VnicType.DIRECT)).host


def test_an_agent_fetches_what_is_desired_and_reports(world: TwoNetworks, url: str) -> None:
    boot(world)
    with agent(url) as api:
        config = api.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
        assert config == desired_config(world.site.svc, H1)
        assert config is not None
        assert [server.name for server in config.servers] == ["web"]
        assert api.report(a_report()).generation == config.generation


def test_a_poll_answers_nothing_when_its_time_is_over(world: TwoNetworks, url: str) -> None:
    with agent(url) as api:
        generation = desired_config(world.site.svc, H1).generation
        assert api.fetch(after_generation=generation, consoles_asked=0, wait_seconds=0) is None


def test_a_poll_answers_as_soon_as_something_changes(world: TwoNetworks, url: str) -> None:
    before = desired_config(world.site.svc, H1).generation
    found: list[int] = []
    with agent(url) as api:

        def wait_for_news() -> None:
            config = api.fetch(after_generation=before, consoles_asked=0, wait_seconds=50)
            assert config is not None
            found.append(config.generation)

        poll = threading.Thread(target=wait_for_news)
        poll.start()
        boot(world)
        poll.join(HANGS_SECONDS)
    assert found == [before + 1]


def test_the_enrolment_key_must_be_right(url: str) -> None:
    with pytest.raises(ApiError, match="neither the enrolment key nor") as refused:
        enrol(url, H1, "guess")
    assert refused.value.status == 401


def test_a_new_host_is_known_once_it_is_enrolled(world: TwoNetworks, url: str) -> None:
    with agent(url, HostName("h3")) as api:
        config = api.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
    assert config is not None
    assert (config.host, config.servers) == ("h3", ())


def test_an_older_token_is_worthless_once_the_host_is_enrolled_again(url: str) -> None:
    with agent(url) as old, agent(url) as new:
        assert new.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
        with pytest.raises(ApiError) as refused:
            old.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
    assert refused.value.status == 401


def test_an_agent_speaks_for_its_own_host_only(world: TwoNetworks, url: str) -> None:
    token = enrol(url, H1, ENROLMENT_KEY)
    with AgentApi(url, H2, token) as api:
        with pytest.raises(ApiError) as refused:
            api.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
        assert refused.value.status == 403
        with pytest.raises(ApiError) as refused:
            api.report(a_report(H2))
        assert refused.value.status == 403
    with AgentApi(url, H1, token) as api:
        with pytest.raises(ApiError, match="'h2'") as refused:
            api.report(a_report(H2))
        assert refused.value.status == 403


def test_a_users_token_is_no_agents_and_the_reverse(world: TwoNetworks, url: str) -> None:
    with (
        AgentApi(url, H1, world.admin_token) as api,
        pytest.raises(ApiError) as refused,
    ):
        api.report(a_report())
    assert refused.value.status == 401
    token = world.agent_token("h1")
    assert world.site.http.request("GET", "/trunkline/v1/hosts", token=token).status == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "body: "),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `host`"),
        (encode(a_report()).replace(b'"number":1', b'"number":"one"'), "$.number"),
        (encode(a_report()).replace(b'"devices":[]', b'"devices":[{"address":"05:00"}]'),
         "$.devices[0].address"),
        (b"[" * 200_000, "body: "),
        (encode(a_report()).replace(b"h1", b"\xff\xfe"), "body: "),
        (a_report_with(memory_mib=2**63),
         "memory_mib must be from 0 to 2147483647, not 9223372036854775808 - at `$.resources`"),
        (a_report_with(disk_gib=2**31), "disk_gib must be from 0 to 2147483647"),
        (a_report_with(vcpus=-1), "vcpus must be from 0 to 2147483647, not -1 - at `$.resources`"),
        (a_report_with(numa_nodes=[NODE | {"cpus": "3-1"}]),
         "cpus '3-1' runs backwards - at `$.resources.numa_nodes[0]`"),
        (a_report_with(numa_nodes=[NODE, NODE | {"number": 1}]),
         "CPU 0 is on NUMA nodes 0 and 1; NUMA nodes have 2 MiB together, and their host only 1"),
        (a_report_with(number=2**63), "number must be from 0 to 2147483647"),
        (a_report_with(generation=-1), "generation must be from 0 to 2147483647"),
        (a_report_with(vf_count=2**63), "inventory[0].function.vf_count must be from 0 to 65535"),
    ],
)  # fmt: skip
def test_a_malformed_report_is_refused_with_the_path_of_the_fault(
    world: TwoNetworks, body: bytes, said: str
) -> None:
    reply = world.site.http.request(
        "POST",
        "/trunkline/v1/hosts/h1/report",
        raw=body,
        headers={"Authorization": f"Bearer {world.agent_token('h1')}"},
    )
    assert reply.status == 400
    assert said in reply.json()["error"]["message"]


def test_a_report_of_a_large_host_is_taken_and_a_huge_one_is_not(world: TwoNetworks) -> None:
    token = {"Authorization": f"Bearer {world.agent_token('h1')}"}
    padded = encode(a_report())[:-1] + b" " * (4 * 1024**2) + b"}"
    target = "/trunkline/v1/hosts/h1/report"
    assert world.site.http.request("POST", target, raw=padded, headers=token).status == 200
    huge = encode(a_report())[:-1] + b" " * (17 * 1024**2) + b"}"
    assert world.site.http.request("POST", target, raw=huge, headers=token).status == 413


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "wait=61", "wait=1e9", "after=" + "9" * 30]
)
def test_a_poll_with_a_senseless_number_is_refused(world: TwoNetworks, query: str) -> None:
    reply = world.site.http.request(
        "GET",
        f"/trunkline/v1/hosts/h1/desired?{query}",
        headers={"Authorization": f"Bearer {world.agent_token('h1')}"},
    )
    assert reply.status == 400


def test_the_transport_hands_over_what_has_arrived_and_says_so(
    world: TwoNetworks, url: str
) -> None:
    news = threading.Event()
    token = enrol(url, H1, ENROLMENT_KEY)
    with HttpTransport(url, H1, token, on_news=news.set) as made:
        transport: Transport = made
        assert transport.fetch(H1, 0, 0) is None
        assert news.wait(HANGS_SECONDS)
        first = transport.fetch(H1, 0, 0)
        assert first is not None
        assert transport.fetch(H1, first.generation, 0) is None
        news.clear()
        boot(world)
        assert news.wait(HANGS_SECONDS)
        second = transport.fetch(H1, first.generation, 0)
        assert second is not None
        assert [server.name for server in second.servers] == ["web"]
        assert transport.report(a_report()).generation == second.generation


def test_the_transport_tells_that_nobody_answers_and_recovers(world: TwoNetworks) -> None:
    with served(world.site.app) as url:
        token = enrol(url, H1, ENROLMENT_KEY)
    news = threading.Event()
    with HttpTransport(url, H1, token, on_news=news.set) as transport:
        with pytest.raises(TransportFailed, match="connection refused"):
            transport.report(a_report())
        with pytest.raises(TransportFailed, match="connection refused"):
            fetch_until_it_fails(transport)
        with served(world.site.app, port=int(url.rsplit(":", 1)[1])):
            assert news.wait(HANGS_SECONDS)
            assert transport.fetch(H1, -1, 0) == desired_config(world.site.svc, H1)


def test_closing_the_transport_ends_a_poll_that_is_under_way(world: TwoNetworks, url: str) -> None:
    generation = desired_config(world.site.svc, H1).generation
    transport = HttpTransport(url, H1, enrol(url, H1, ENROLMENT_KEY))
    assert transport.fetch(H1, generation, 0) is None
    closing = threading.Thread(target=transport.close)
    closing.start()
    closing.join(HANGS_SECONDS)
    assert not closing.is_alive()


def test_a_connection_that_the_server_closed_while_idle_is_opened_again(
    world: TwoNetworks,
) -> None:
    with served(world.site.app) as url:
        port = int(url.rsplit(":", 1)[1])
        api = AgentApi(url, H1, enrol(url, H1, ENROLMENT_KEY))
        api.report(a_report())
    with served(world.site.app, port=port), api:
        assert api.report(a_report(number=2)).generation >= 1


def test_nobody_there_is_told_with_the_address() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: connection refused"):
        enrol("http://127.0.0.1:1", H1, "key")


def test_an_agent_gets_the_bytes_of_images_of_its_own_servers_alone(
    world: TwoNetworks, url: str
) -> None:
    content = bytes(range(256)) * 20_000  # Several pieces.
    ours, other = world.image(content), world.image(b"nobody's")
    port = world.port(world.red, "web", VnicType.DIRECT)  # Only h1 can have it.
    world.server("web", port, image_id=ours.id)
    got: list[bytes] = []
    with agent(url) as api, agent(url, H2) as neighbour:
        api.fetch_image(ours.id, got.append)
        assert b"".join(got) == content
        assert len(got) > 1
        for asker, image_id in ((api, other.id), (neighbour, ours.id), (api, ImageId("no/such"))):
            with pytest.raises(ApiError) as refused:
                asker.fetch_image(image_id, got.append)
            assert refused.value.status == 404
        config = api.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
    assert config is not None
    assert config.servers[0].image == ImageSource(
        id=ours.id, sha512=hashlib.sha512(content).hexdigest(), size_bytes=len(content),
        disk_format="raw",
    )  # fmt: skip


def test_a_service_that_is_away_may_be_back_for_the_next_try(world: TwoNetworks) -> None:
    images = HttpImages("http://127.0.0.1:9", H1, "token")
    source = ImageSource(id=ImageId("x"), sha512="", size_bytes=5, disk_format="raw")
    with pytest.raises(HostRefused, match="connection refused") as refused:
        images.fetch(source, lambda _: None)
    assert refused.value.transient


def test_an_image_that_breaks_off_is_no_image() -> None:
    with one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345") as url:
        api = AgentApi(url, H1, "token")
        with pytest.raises(Unreachable, match="broke off"):
            api.fetch_image(ImageId("x"), lambda _: None)
        api.close()


@contextmanager
def one_answer(answer: bytes) -> Iterator[str]:
    """A server that answers one request with these bytes, and closes."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()
