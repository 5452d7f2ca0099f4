"""The version documents, as clients read them before they have a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.http_app import InProcess, Site, a_site
from tests.support.response_schemas import ResponseSchemas
from trunkline.api.app import make_app


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("discovery")) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/compute/v2.1", "/compute/v2.1/"])
def test_compute_shows_its_microversions(
    site: Site, path: str, response_schemas: ResponseSchemas
) -> None:
    reply = site.http.request("GET", path)
    response_schemas.check(
        "versions", "get_one_version", microversion=None, status=reply.status, body=reply.json()
    )
    version = reply.json()["version"]
    assert (version["id"], version["status"], version["min_version"]) == ("v2.1", "CURRENT", "2.1")
    assert tuple(map(int, version["version"].split("."))) >= (2, 96)


@pytest.mark.parametrize("path", ["/compute", "/compute/"])
def test_compute_lists_version_2_0_first(
    site: Site, path: str, response_schemas: ResponseSchemas
) -> None:
    reply = site.http.request("GET", path)
    response_schemas.check(
        "versions", "list_versions", microversion=None, status=reply.status, body=reply.json()
    )
    assert [version["id"] for version in reply.json()["versions"]] == ["v2.0", "v2.1"]


def test_each_version_of_compute_is_where_its_link_says(
    site: Site, response_schemas: ResponseSchemas
) -> None:
    for listed in site.http.request("GET", "/compute").json()["versions"]:
        reply = site.http.request("GET", listed["links"][0]["href"].partition(":8774")[2])
        response_schemas.check(
            "versions", "get_one_version", microversion=None, status=reply.status, body=reply.json()
        )
        shown = reply.json()["version"]
        assert (shown["id"], shown["links"][0]) == (listed["id"], listed["links"][0])


def test_each_face_names_itself_where_the_client_found_it(site: Site) -> None:
    links: list[tuple[str, int, str, Callable[[Any], Any]]] = [
        ("/identity", 300, "/identity/v3/", lambda body: body["versions"]["values"][0]),
        ("/identity/v3", 200, "/identity/v3/", lambda body: body["version"]),
        ("/network", 200, "/network/v2.0/", lambda body: body["versions"][0]),
        ("/image", 300, "/image/v2/", lambda body: body["versions"][0]),
    ]
    for path, status, self_path, find in links:
        for asked in (path, f"{path}/"):
            headers = {"Host": "cloud.example:8080"}
            reply = site.http.request("GET", asked, headers=headers)
            assert reply.status == status
            version = find(reply.json())
            assert version["links"][0] == {
                "rel": "self",
                "href": f"http://cloud.example:8080{self_path}",
            }
    root = site.http.request("GET", "/").json()
    assert set(root["faces"]) == {
        "identity", "network", "compute", "image", "placement", "trunkline",
    }  # fmt: skip


def test_a_configured_public_url_goes_before_the_host_header(site: Site) -> None:
    app = make_app(replace(site.svc), site.wakeups, public_url="https://cloud.example/")
    http = InProcess(app)
    try:
        reply = http.request("GET", "/identity/v3", headers={"Host": "10.0.0.1:8774"})
        href = reply.json()["version"]["links"][0]["href"]
        assert href == "https://cloud.example/identity/v3/"
        refused = http.request("GET", "/image/v2/images")
        assert refused.headers["www-authenticate"] == (
            'Keystone uri="https://cloud.example/identity"'
        )
    finally:
        http.close()
