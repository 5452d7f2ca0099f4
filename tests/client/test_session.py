"""The logged-in client, against the real application over TCP and servers that misbehave."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.stand_in_keystone import PASSWORD, a_stand_in
from tests.support.two_networks import TwoNetworks
from trunkline.client.api import TrunklineApi
from trunkline.client.catalog import find_trunkline
from trunkline.client.clouds import Cloud
from trunkline.client.connection import Connection
from trunkline.client.errors import ApiError, BadCredentials, ClientError, Unreachable
from trunkline.client.session import Session, split_auth_url
from trunkline.domain.port import VnicType
from trunkline.wire.v1 import ExplainBody, ExplainNic


def a_cloud(world: TwoNetworks, url: str, *, password: str | None = None) -> Cloud:
    return Cloud(
        auth_url=f"{url}/identity",
        username="admin",
        password=password or world.site.passwords.admin,
        project_name="admin",
    )


@pytest.fixture
def api(world: TwoNetworks, url: str) -> Iterator[TrunklineApi]:
    with Session(a_cloud(world, url)) as session:
        yield TrunklineApi(session)


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that reads one request on each connection, says these bytes, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for content in answers:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.recv(65536)
                    accepted.sendall(content)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_everything_that_is_shown_comes_back_typed(world: TwoNetworks, api: TrunklineApi) -> None:
    server = world.server("web", world.port(world.red, "p", VnicType.DIRECT)).server
    assert [host.name for host in api.hosts()] == ["h1", "h2"]
    assert api.host("h2").vcpus == 64
    assert not api.set_host_enabled("h2", enabled=False, reason="dust").enabled
    [held] = api.devices({"server_id": server.id, "host": None})
    assert held.owner is not None
    assert held.owner.server_id == server.id
    [red] = api.networks({"name": "red"})
    assert red.segments is not None
    assert red.segments[0].vfs is not None
    assert red.segments[0].vfs.free == 1
    assert [physical.name for physical in api.physical_networks()] == ["phy1", "phy2"]
    asked = ExplainBody(nics=(ExplainNic(network="red", vnic_type="direct"),), flavor="small")
    assert api.explain(asked).host == "h1"
    path = api.server_path("web")
    assert (path.id, path.nics[0].segmentation_id) == (server.id, 220)
    assert {event.actor for event in api.events({"server_id": server.id}, limit=10)} == {
        "user demo"
    }


def test_pages_are_read_on_to_the_end(api: TrunklineApi, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(api.devices())
    monkeypatch.setattr("trunkline.client.api.PAGE_SIZE", 2)
    assert list(api.devices()) == whole
    assert len(whole) == 9


def test_of_events_no_more_come_than_are_asked_for(
    api: TrunklineApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.client.api.PAGE_SIZE", 2)
    assert len(list(api.events(limit=3))) == 3


def test_a_token_that_expired_is_renewed(world: TwoNetworks, api: TrunklineApi) -> None:
    list(api.hosts())
    clock = world.site.svc.clock
    assert isinstance(clock, ManualClock)
    clock.advance(world.site.svc.limits.token_lifetime_seconds + 1)
    assert [host.name for host in api.hosts()] == ["h1", "h2"]


def test_an_error_carries_message_code_and_request_id(api: TrunklineApi) -> None:
    with pytest.raises(ApiError) as refused:
        api.host("h9")
    assert (refused.value.status, refused.value.code) == (404, "request.not_found")
    assert refused.value.message == "host h9 could not be found"
    assert refused.value.request_id.startswith("req-")


def test_a_name_with_a_slash_stays_one_name(api: TrunklineApi) -> None:
    with pytest.raises(ApiError, match="host a/b could not be found"):
        api.host("a/b")


def test_a_wrong_password_is_told(world: TwoNetworks, url: str) -> None:
    with Session(a_cloud(world, url, password="wrong")) as session:
        with pytest.raises(ApiError) as refused:
            list(TrunklineApi(session).hosts())
        assert refused.value.is_refused_login


@pytest.mark.parametrize(
    ("auth_url", "parts"),
    [
        ("http://c:8774/identity", ("http://c:8774", "/identity/v3")),
        ("http://c:8774/identity/v3/", ("http://c:8774", "/identity/v3")),
        ("https://c/tl/identity", ("https://c/tl", "/identity/v3")),
        ("http://c:5000/v3", ("http://c:5000", "/v3")),
    ],
)
def test_the_service_is_found_from_the_auth_url(auth_url: str, parts: tuple[str, str]) -> None:
    assert split_auth_url(auth_url) == parts


@pytest.mark.parametrize("url", ["c:8774", "ftp://c", "http://", "http://c:port", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ClientError, match="not a URL"):
        Connection(url)
    with pytest.raises(ClientError, match="not a URL"):
        Session(Cloud(auth_url=url, username="u", password="p", project_name="x"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "its answer broke off"),
        (b"", "it closed the connection"),
    ],
)
def test_a_server_that_misbehaves_is_told(answer: bytes, said: str) -> None:
    with answering(answer) as url, Connection(url) as connection:
        with pytest.raises(Unreachable, match=said) as refused:
            connection.request("GET", "/")
        assert refused.value.url == url


def test_nothing_within_the_time_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Connection(url) as connection,
            pytest.raises(Unreachable, match=r"nothing came within 0\.05 s"),
        ):
            connection.request("GET", "/", answer_seconds_max=0.05)


def test_an_answer_of_another_shape_is_no_answer(world: TwoNetworks) -> None:
    login = (
        b"HTTP/1.1 201 C\r\nX-Subject-Token: t\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    with (
        answering(login, page) as url,
        Session(a_cloud(world, url)) as session,
        pytest.raises(Unreachable, match="not what trunkline/v1 gives"),
    ):
        TrunklineApi(session).host("h1")


def test_a_proxys_page_is_shown_as_it_is(world: TwoNetworks) -> None:
    page = b"HTTP/1.1 502 Bad\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad Gateway"
    with answering(page) as url, Session(a_cloud(world, url)) as session:
        with pytest.raises(ApiError, match="Bad Gateway") as refused:
            TrunklineApi(session).host("h1")
        assert refused.value.is_fault


def test_a_service_that_is_not_trusted_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"CA certificates in .*nothing\.pem can't be read"):
        Connection("https://127.0.0.1:1", ca_file=str(tmp_path / "nothing.pem"))


def a_catalog(*endpoints: tuple[str, str, str]) -> bytes:
    found = [{"interface": each[0], "region_id": each[1], "url": each[2]} for each in endpoints]
    services = [{"type": "compute", "endpoints": []}, {"type": "trunkline", "endpoints": found}]
    return json.dumps({"token": {"expires_at": "", "catalog": services}}).encode()


def test_the_catalog_says_where_trunkline_is() -> None:
    catalog = a_catalog(
        ("internal", "north", "http://inside"),
        ("public", "south", "http://south/"),
        ("public", "north", "http://north:8774/tl"),
    )
    assert find_trunkline(catalog, None) == "http://south"
    assert find_trunkline(catalog, "north") == "http://north:8774/tl"
    with pytest.raises(BadCredentials, match="no Trunkline in region east, but in north, south"):
        find_trunkline(catalog, "east")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"token": {}}',
        a_catalog(),
        a_catalog(("public", "r", "nowhere")),
        a_catalog(("public", "r", "http://[")),
    ],
)
def test_a_login_that_does_not_say_leaves_it_beside_identity(body: bytes) -> None:
    assert find_trunkline(body, "RegionOne") is None


def test_where_identity_is_somebody_elses_the_remedy_is_told() -> None:
    with a_stand_in() as keystone:
        cloud = Cloud(
            auth_url=f"{keystone.url}/v3", username="u", password=PASSWORD, project_name="p"
        )
        with (
            Session(cloud) as session,
            pytest.raises(Unreachable, match="the catalog has no service of type trunkline"),
        ):
            list(TrunklineApi(session).hosts())
