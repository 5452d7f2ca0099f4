"""Requests that must not make a server, each with the status and the reason clients get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.world import PHY1, a_flavor, a_network
from trunkline.control.flavors import delete_flavor
from trunkline.control.images import ImageCreate, create_image, delete_image
from trunkline.control.networks import delete_network
from trunkline.control.ports import delete_port
from trunkline.domain.listing import ListQuery

NOWHERE: Final = "2e4f5a00-0000-4000-8000-00000000dead"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


def send(scene: ComputeSite, **changes: object) -> tuple[int, str, str]:
    """Send a request with these changes; return the status, the fault's name and its message."""
    server = server_request(scene.flavor, "web") | {"networks": "none"} | changes
    reply = scene.call("POST", "/servers", version="2.96", body={"server": server})
    if reply.status == 202:
        return 202, "", ""
    ((name, fault),) = reply.json().items()
    assert fault["code"] == reply.status
    return reply.status, name, fault["message"]


def test_the_request_that_the_others_change_is_good(scene: ComputeSite) -> None:
    assert send(scene)[0] == 202


Case = tuple[str, Callable[[ComputeSite], dict[str, Any]], int, str]


def _in_use(scene: ComputeSite) -> str:
    port = scene.a_port(scene.blue)
    scene.a_server("owner", port)
    return port


def _twice(scene: ComputeSite) -> dict[str, Any]:
    port = scene.a_port(scene.blue)
    return {"networks": [{"port": port}, {"port": port}]}


def _foreign_port(scene: ComputeSite) -> str:
    return scene.a_port(scene.a_network_of("admin"), user="admin")


def _deleted(scene: ComputeSite, what: str) -> dict[str, Any]:
    """Make a port, network, flavor or image, delete it, and name it in a request."""
    svc, admin, demo = scene.site.svc, scene.caller("admin"), scene.caller()
    match what:
        case "port":
            port = scene.a_port(scene.blue)
            delete_port(svc, demo, port)
            return {"networks": [{"port": port}]}
        case "network":
            network = a_network(svc, "gone", (PHY1, 199), project=demo)
            delete_network(svc, demo, network.id)
            return {"networks": [{"uuid": network.id}]}
        case "flavor":
            flavor = a_flavor(svc, "gone")
            delete_flavor(svc, admin, flavor.id)
            return {"flavorRef": flavor.id}
        case "image":
            image = create_image(svc, demo, ImageCreate(name="gone"))
            delete_image(svc, demo, image.id)
            return {"imageRef": image.id, "block_device_mapping_v2": None}
        case _:
            raise AssertionError(what)


def _nic(scene: ComputeSite, **fields: object) -> dict[str, object]:
    return {"uuid": scene.blue.id} | fields


CASES: Final[tuple[Case, ...]] = (
    ("deleted port", lambda s: _deleted(s, "port"), 400, "could not be found"),
    ("deleted network", lambda s: _deleted(s, "network"), 400, "could not be found"),
    ("deleted flavor", lambda s: _deleted(s, "flavor"), 400, "could not be found"),
    ("deleted image", lambda s: _deleted(s, "image"), 400, "could not be found"),
    ("unknown flavor", lambda _: {"flavorRef": "huge"}, 400, "huge"),
    (
        "unknown image",
        lambda _: {"imageRef": NOWHERE, "block_device_mapping_v2": None},
        400,
        NOWHERE,
    ),
    ("unknown port", lambda _: {"networks": [{"port": NOWHERE}]}, 400, NOWHERE),
    ("unknown network", lambda _: {"networks": [{"uuid": NOWHERE}]}, 400, NOWHERE),
    ("another project's port", lambda s: {"networks": [{"port": _foreign_port(s)}]}, 400, "port"),
    (
        "another project's network",
        lambda s: {"networks": [{"uuid": s.a_network_of("admin").id}]},
        400,
        "network",
    ),
    ("port in use", lambda s: {"networks": [{"port": _in_use(s)}]}, 409, "in use"),
    ("same port twice", _twice, 400, "twice"),
    ("malformed port", lambda _: {"networks": [{"port": "port-1"}]}, 400, "networks[0].port"),
    ("malformed image", lambda _: {"imageRef": "cirros"}, 400, "imageRef"),
    (
        "a NIC's unknown PCI flavor",
        lambda s: {"networks": [_nic(s, vnic_type="direct", pci_flavor="40g")]},
        400,
        "there is no PCI flavor 40g",
    ),
    (
        "a PCI flavor for a NIC without a device",
        lambda s: {"networks": [_nic(s, pci_flavor="40g")]},
        400,
        "nic 0 is of type normal and has no PCI device",
    ),
    (
        "a PCI flavor of the wrong type",
        lambda s: {"networks": [_nic(s, pci_flavor=40)]},
        400,
        "networks[0].pci_flavor",
    ),
    (
        "a VNIC type that is not served",
        lambda s: {"networks": [_nic(s, vnic_type="vdpa")]},
        400,
        "networks[0].vnic_type: vdpa is not served",
    ),
    (
        "a port of another VNIC type",
        lambda s: {"networks": [{"port": s.a_port(s.blue), "vnic_type": "macvtap"}]},
        400,
        "is of type direct",
    ),
    ("a tenant names a host", lambda _: {"host": "h1"}, 403, "forced_host"),
    ("name of the wrong type", lambda _: {"name": ["web"]}, 400, "name"),
    ("flavor of the wrong type", lambda _: {"flavorRef": {"id": "small"}}, 400, "flavorRef"),
    ("metadata of the wrong type", lambda _: {"metadata": [1]}, 400, "metadata"),
    ("NUL in a name", lambda _: {"name": "a\0b"}, 400, "name"),
    ("NUL in metadata", lambda _: {"metadata": {"k": "\0"}}, 400, "metadata"),
    ("NUL in a reference", lambda _: {"flavorRef": "a\0"}, 400, "flavorRef"),
    ("a number too large", lambda _: {"min_count": 10**30}, 400, "min_count"),
)


@pytest.mark.parametrize(("what", "changes", "status", "said"), CASES, ids=[c[0] for c in CASES])
def test_a_bad_request_is_refused_and_says_why(
    scene: ComputeSite,
    what: str,
    changes: Callable[[ComputeSite], dict[str, Any]],
    status: int,
    said: str,
) -> None:
    got, name, message = send(scene, **changes(scene))
    assert got == status, (what, message)
    assert name == {400: "badRequest", 403: "forbidden", 409: "conflictingRequest"}[status]
    assert said in message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"server"',
        b"{}",
        b'{"server": null}',
        b'{"server": []}',
        b'{"server": {"name": "\\ud800"}}',
        b'{"server": {"name": "\xed\xa0\x80"}}',
        b'{"server": {"name": "\xff"}}',
        b'{"server": ' * 500 + b"1" + b"}" * 500,
        b'{"server": {"name": NaN}}',
    ],
)
def test_a_body_that_is_no_request_is_refused(scene: ComputeSite, raw: bytes) -> None:
    reply = scene.call("POST", "/servers", version="2.96", raw=raw)
    assert (reply.status, list(reply.json())) == (400, ["badRequest"])


@pytest.mark.parametrize("ref", ["nonsense", "%00", "..%2F..", "%ED%A0%80", "x" * 300, "'--"])
def test_a_reference_of_any_form_is_not_found(scene: ComputeSite, ref: str) -> None:
    for kind in ("servers", "flavors"):
        reply = scene.call("GET", f"/{kind}/{ref}")
        assert reply.status in (400, 404), (kind, reply)
        assert list(reply.json()) in (["itemNotFound"], ["badRequest"])


def test_nothing_is_held_after_a_refusal(scene: ComputeSite) -> None:
    port = scene.a_port(scene.blue)
    before = scene.site.svc.store.read(lambda tx: len(tx.events.page(ListQuery())))
    networks = [{"port": port}, {"port": NOWHERE}]
    assert send(scene, networks=networks)[0] == 400
    after = scene.site.svc.store.read(lambda tx: len(tx.events.page(ListQuery())))
    assert after == before
    assert send(scene, networks=[{"port": port}])[0] == 202


@pytest.mark.parametrize("version", ["2.0", "2.101", "3.1", "1.99"])
def test_a_version_that_is_not_served_is_refused(scene: ComputeSite, version: str) -> None:
    assert scene.call("GET", "/servers", version=version).status == 406


@pytest.mark.parametrize("version", ["2", "two", "2.1.1", "2.01", ""])
def test_a_version_of_another_form_is_refused(scene: ComputeSite, version: str) -> None:
    assert scene.call("GET", "/servers", version=version).status == 400
