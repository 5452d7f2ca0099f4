"""PCI flavors through HTTP: made, listed, changed and deleted by admins; read by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Reply

MATCH = [{"vendor_id": "15b3", "product_id": ["1004", "1016"]}, {"e.model": {"glob": "cx*"}}]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def make(scene: ComputeSite, name: str = "10g", *, user: str = "admin", **fields: Any) -> Reply:
    body = {"pci_flavor": {"name": name, "match": MATCH} | fields}
    return scene.call("POST", "/os-pci-flavors", user=user, body=body)


def names(scene: ComputeSite, query: str = "", *, user: str = "demo") -> list[str]:
    reply = scene.call("GET", f"/os-pci-flavors{query}", user=user)
    assert reply.status == 200, reply
    return [flavor["name"] for flavor in reply.json()["pci_flavors"]]


def fault(reply: Reply) -> tuple[int, str]:
    (told,) = reply.json().values()
    return reply.status, told["message"]


def test_a_pci_flavor_is_shown_as_it_was_made_by_id_and_by_name(scene: ComputeSite) -> None:
    reply = make(scene, description="ten gigabit")
    made = reply.json()["pci_flavor"]
    assert reply.status == 200
    assert (made["name"], made["description"], made["match"]) == ("10g", "ten gigabit", MATCH)
    for ref in (made["id"], "10g"):
        shown = scene.call("GET", f"/os-pci-flavors/{ref}", user="admin")
        assert shown.json()["pci_flavor"] == made


def test_what_devices_it_means_is_shown_to_admins_only(scene: ComputeSite) -> None:
    make(scene)
    shown = scene.call("GET", "/os-pci-flavors/10g", user="demo").json()["pci_flavor"]
    assert sorted(shown) == ["description", "id", "name"]
    assert names(scene, user="demo") == ["10g"]


def test_a_change_leaves_alone_what_it_does_not_name(scene: ComputeSite) -> None:
    make(scene, description="old")
    changed = scene.call(
        "PUT", "/os-pci-flavors/10g", user="admin",
        body={"pci_flavor": {"match": [{"vendor_id": "8086"}]}},
    ).json()["pci_flavor"]  # fmt: skip
    assert (changed["description"], changed["match"]) == ("old", [{"vendor_id": "8086"}])
    changed = scene.call(
        "PUT", "/os-pci-flavors/10g", user="admin", body={"pci_flavor": {"description": ""}}
    ).json()["pci_flavor"]
    assert (changed["description"], changed["match"]) == ("", [{"vendor_id": "8086"}])


def test_a_deleted_one_is_gone(scene: ComputeSite) -> None:
    make(scene)
    assert scene.call("DELETE", "/os-pci-flavors/10g", user="admin").status == 204
    assert fault(scene.call("DELETE", "/os-pci-flavors/10g", user="admin"))[0] == 404
    assert names(scene) == []


def test_the_list_comes_in_pages_by_name(scene: ComputeSite) -> None:
    for name in ("c", "a", "b"):
        make(scene, name)
    page = scene.call("GET", "/os-pci-flavors?limit=2").json()
    assert [flavor["name"] for flavor in page["pci_flavors"]] == ["a", "b"]
    (link,) = page["pci_flavors_links"]
    assert link["rel"] == "next"
    assert names(scene, "?" + link["href"].partition("?")[2]) == ["c"]
    assert names(scene, "?sort_key=name&sort_dir=desc") == ["c", "b", "a"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_admins_change_them(scene: ComputeSite, method: str) -> None:
    make(scene)
    path = "/os-pci-flavors" + ("" if method == "POST" else "/10g")
    body = {"pci_flavor": {"name": "10g", "match": MATCH}}
    assert fault(scene.call(method, path, user="demo", body=body))[0] == 403


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"name": ""}, 400, "name: has 1 to 63 letters, digits"),
        ({"name": "10g:1"}, 400, "name: has 1 to 63 letters, digits"),
        ({"name": "a|b"}, 400, "name: has 1 to 63 letters, digits"),
        ({"name": 7}, 400, "pci_flavor.name: must be text"),
        ({"name": "taken"}, 409, "PCI flavor taken"),
        ({"description": "x" * 65_536}, 400, "pci_flavor.description: must have 0 to 65535"),
        ({"description": None}, 400, "pci_flavor.description"),
        ({"match": None}, 400, "match: expected a list of alternatives, found null"),
        ({"match": [{"vendorid": "1"}]}, 400, "match[0].vendorid: unknown; did you mean vendor_id"),
        ({"match": [{"address": "*"}]}, 400, "match[0].address: may not be used"),
        ({"match": [{"e.a": {"regex": "(a"}}]}, 400, "match[0].e.a: '(a': at character 3"),
        ({"matches": MATCH}, 400, "pci_flavor.matches: not known here"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(
    scene: ComputeSite, fields: dict[str, Any], status: int, said: str
) -> None:
    make(scene, "taken")
    told = fault(make(scene, **({"name": "new"} | fields)))
    assert told[0] == status
    assert said in told[1]
    assert names(scene) == ["taken"]


@pytest.mark.parametrize(
    ("query", "said"),
    [("?limit=-1", "limit"), ("?marker=nothing", "marker"), ("?sort_key=match", "sort_key"),
     ("?name=10g", "name: unknown")],
)  # fmt: skip
def test_a_list_that_cannot_be_made_is_refused(scene: ComputeSite, query: str, said: str) -> None:
    told = fault(scene.call("GET", f"/os-pci-flavors{query}"))
    assert told[0] == 400
    assert said in told[1]


def test_a_name_stays(scene: ComputeSite) -> None:
    make(scene)
    body = {"pci_flavor": {"name": "20g"}}
    told = fault(scene.call("PUT", "/os-pci-flavors/10g", user="admin", body=body))
    assert told[0] == 400
    assert told[1].startswith("pci_flavor.name: can't be changed, as ports and flavors go by it")


def test_each_change_is_on_the_audit_trail(scene: ComputeSite) -> None:
    make(scene)
    body = {"pci_flavor": {"match": [{"vendor_id": "8086"}]}}
    scene.call("PUT", "/os-pci-flavors/10g", user="admin", body=body)
    scene.call("DELETE", "/os-pci-flavors/10g", user="admin")
    found = scene.site.http.request("GET", "/trunkline/v1/events", token=scene.token("admin"))
    told = [
        (event["action"], event["actor"], event["details"]["match"])
        for event in found.json()["events"]
        if event["action"].startswith("pci_flavor.")
    ]
    assert told[::-1] == [
        ("pci_flavor.create", "user admin",
         "product_id=1004|1016, vendor_id=15b3 or e.model~cx*"),
        ("pci_flavor.update", "user admin", "vendor_id=8086"),
        ("pci_flavor.delete", "user admin", "vendor_id=8086"),
    ]  # fmt: skip


def set_specs(scene: ComputeSite, **specs: str) -> Reply:
    sent = {f"pci_passthrough:{key}": value for key, value in specs.items()}
    path = f"/flavors/{scene.flavor.id}/os-extra_specs"
    return scene.call("POST", path, user="admin", body={"extra_specs": sent})


def test_one_that_a_flavor_names_is_not_deleted(scene: ComputeSite) -> None:
    make(scene)
    make(scene, "40g")
    assert set_specs(scene, pci_flavor="10g:1, 40g|10g:2").status == 200
    for name in ("10g", "40g"):
        told = fault(scene.call("DELETE", f"/os-pci-flavors/{name}", user="admin"))
        assert told == (409, f"PCI flavor {name} is in use: flavor small names it")
    key = f"/flavors/{scene.flavor.id}/os-extra_specs/pci_passthrough:pci_flavor"
    assert scene.call("DELETE", key, user="admin").status == 200
    assert scene.call("DELETE", "/os-pci-flavors/10g", user="admin").status == 204


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ({"pci_flavor": "40g:1"}, "there is no PCI flavor 40g; see `trunkline pci-flavor list`"),
        ({"pci_flavor": "10g|40g"}, "there is no PCI flavor 40g"),
        ({"pci_flavor": ""}, "'' is not of the form NAME:COUNT or NAME|NAME:COUNT"),
        ({"pci_flavor": "10g:"}, "'10g:' is not of the form NAME:COUNT"),
        ({"pci_flavor": "10g:x"}, "'10g:x' is not of the form NAME:COUNT"),
        ({"pci_flavor": "10g:0"}, "'10g:0' asks for no device; write a count from 1 on"),
        ({"pci_flavor": "10g:-1"}, "'10g:-1' is not of the form NAME:COUNT"),
        ({"pci_flavor": "10g|:1"}, "'10g|:1' is not of the form NAME:COUNT"),
        ({"pci_flavor": "10g:60,10g:5"}, "asks for more than 64 devices"),
        ({"pci_flavor": "10g|pfs:1"}, "some alternatives ask for whole PFs and others for other"),
        ({"alias": "a1:1"}, "there is no alias a1 in the controller's configuration; there are:"),
        ({"alias": "a1|a2:1"}, "an alias stands alone; use pci_passthrough:pci_flavor for |"),
        ({"alias": "a1:1:1"}, "'a1:1:1' is not of the form ALIAS:COUNT"),
    ],
)
def test_an_extra_spec_that_asks_for_nothing_that_is_is_refused(
    scene: ComputeSite, specs: dict[str, str], said: str
) -> None:
    make(scene)
    make(scene, "pfs", match=[{"dev_type": "pf"}])
    told = fault(set_specs(scene, **specs))
    assert told[0] == 400
    assert said in told[1]
