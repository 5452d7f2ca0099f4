"""A PF without a link, or without a driver that works: what placement, records and people see.

h1 and h2: a PF on phy1 at 0000:05:00.0 (eth5) and one on phy2 at 0000:82:00.0 (eth130), 4 VFs each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, a_card
from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.hosts import get_host
from trunkline.control.servers import get_server
from trunkline.control.verifying import verify_hosts
from trunkline.domain.audit import AuditEvent
from trunkline.domain.device import VFIO_DRIVER, DeviceKind, OfferedDevice
from trunkline.domain.listing import ListQuery
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState


def cards(host: str, **eth5: Any) -> tuple[OfferedDevice, ...]:
    """What a host has, with these facts of its first PF."""
    serial = int(host[1:])
    first, *others = a_card(5, "phy1", serial=serial) + a_card(0x82, "phy2", serial=serial)
    return replace(first, function=replace(first.function, **eth5)), *others


def report(scene: Scene, host: str, **eth5: Any) -> None:
    scene.agents[host].report(inventory=cards(host, **eth5))
    scene.index_agrees()
    assert verify_hosts(scene.svc, ADMIN, ListQuery()).verdicts == ()


def events(scene: Scene, *actions: str) -> list[AuditEvent]:
    found = list_events(scene.svc, ADMIN, ListQuery(equals={"action": actions}))
    return list(reversed(found))


def states(scene: Scene, host: str) -> set[tuple[str, str]]:
    query = ListQuery(equals={"host": (host,), "physical_network": ("phy1",)})
    return {(view.state, view.problem) for view in list_devices(scene.svc, ADMIN, query)}


def hosts_of(scene: Scene, count: int) -> set[str]:
    views = [scene.boot(on(scene.blue)) for _ in range(count)]
    return {view.host.name if view.host else "nowhere" for view in views}


def test_nothing_is_placed_on_a_pf_without_a_link_until_it_is_back(scene: Scene) -> None:
    report(scene, "h1", link_up=False)
    assert hosts_of(scene, 4) == {"h2"}
    assert states(scene, "h1") == {("out_of_service", "eth5 has no link")}
    report(scene, "h1", link_up=True)
    assert hosts_of(scene, 4) == {"h1"}, "h2 is full"
    assert states(scene, "h1") == {("active", ""), ("claimed", ""), ("blocked", "")} - {
        ("active", "")
    }


def test_a_pf_without_a_driver_or_with_a_fault_of_it_is_out_of_service_too(scene: Scene) -> None:
    report(scene, "h1", fault="its firmware reports a fatal error")
    assert states(scene, "h1") == {("out_of_service", "eth5: its firmware reports a fatal error")}
    report(scene, "h1", driver=None, ifname=None)
    assert states(scene, "h1") == {("out_of_service", "0000:05:00.0 has no driver")}
    assert hosts_of(scene, 1) == {"h2"}


def test_the_link_of_a_pf_in_a_guest_is_nobodys_to_judge(scene: Scene) -> None:
    report(scene, "h1", link_up=False, driver=VFIO_DRIVER, ifname=None)
    assert {state for state, _ in states(scene, "h1")} == {"free"}


def test_who_fits_nowhere_is_told_which_pf_has_no_link(scene: Scene) -> None:
    for host in ("h1", "h2"):
        report(scene, host, link_up=False)
    view = scene.boot(on(scene.blue))
    assert view.server.state is ServerState.ERROR
    assert view.server.fault is not None
    assert "4 VFs are out of service, as eth5 has no link" in view.server.fault.details
    whole = scene.boot(on(scene.blue, VnicType.DIRECT_PHYSICAL))
    assert whole.server.state is ServerState.ERROR
    assert scene.boot(on(scene.red)).server.state is ServerState.BUILD


def test_who_has_a_vf_keeps_it_and_is_told(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    assert view.host is not None
    host, (nic,) = view.host.name, view.nics
    report(scene, host, link_up=False)
    after = get_server(scene.svc, DEMO, view.server.id)
    assert (after.server.state, after.nics[0].port.binding) == (
        ServerState.ACTIVE,
        get_server(scene.svc, DEMO, view.server.id).nics[0].port.binding,
    )
    report(scene, host, link_up=True)
    told = events(scene, "pf.out_of_service", "pf.in_service", "port.cut_off", "port.reconnected")
    assert [(event.action, event.details) for event in told] == [
        ("pf.out_of_service", {"problem": "eth5 has no link", "ports": 1}),
        ("port.cut_off", {"problem": "eth5 has no link"}),
        ("pf.in_service", {"was": "eth5 has no link", "ports": 1}),
        ("port.reconnected", {"was": "eth5 has no link"}),
    ]
    of_port = [event for event in told if event.port_id == nic.port.port.id]
    assert [event.server_id for event in of_port] == [view.server.id] * 2
    theirs = list_events(scene.svc, DEMO, ListQuery(equals={"port_id": (nic.port.port.id,)}))
    assert {"port.cut_off", "port.reconnected"} <= {event.action for event in theirs}


def test_a_report_that_repeats_what_is_wrong_tells_nobody_anything(scene: Scene) -> None:
    for _ in range(3):
        report(scene, "h1", link_up=False)
    report(scene, "h1", link_up=False, fault="its firmware reports a fatal error")
    assert len(events(scene, "pf.out_of_service")) == 2, "one for each thing that was wrong"
    assert events(scene, "host.inventory")[-1].details["new"] == 10, "it was no new inventory"


def test_a_pf_that_was_without_a_link_from_the_beginning_is_never_offered(scene: Scene) -> None:
    scene.agents["h1"].report(inventory=())
    report(scene, "h1", link_up=False)
    assert len(events(scene, "pf.out_of_service")) == 1
    assert hosts_of(scene, 1) == {"h2"}


def test_hosts_and_physical_networks_show_what_is_out_of_service(scene: Scene) -> None:
    report(scene, "h1", link_up=False)
    assert get_host(scene.svc, ADMIN, "h1").out_of_service == ("eth5 has no link",)
    assert get_host(scene.svc, ADMIN, "h2").out_of_service == ()
    counts = {
        (count.physical_network, count.kind): (count.free, count.out_of_service, count.total)
        for count in device_counts(scene)
    }
    assert counts["phy1", DeviceKind.VF] == (4, 4, 8)
    assert counts["phy1", DeviceKind.PF] == (1, 1, 2)
    assert counts["phy2", DeviceKind.VF] == (8, 0, 8)
    assert len(scene.devices("out_of_service")) == 5
    assert len(scene.devices("free")) == 15


def device_counts(scene: Scene) -> Iterable[Any]:
    return scene.svc.store.read(lambda tx: tx.capacity.device_counts())


def test_a_server_that_goes_gives_its_vf_back_to_a_pf_out_of_service(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    assert view.host is not None
    host = view.host.name
    report(scene, host, link_up=False)
    scene.delete(view.server.id)
    scene.clean(host)
    scene.index_agrees()
    assert states(scene, host) == {("out_of_service", "eth5 has no link")}
    report(scene, host, link_up=True)
    assert states(scene, host) == {("free", "")}


def test_uncorrectable_errors_are_told_as_they_come(scene: Scene) -> None:
    report(scene, "h1", uncorrectable_errors=2)
    assert events(scene, "pf.errors") == [], "they are of before"
    report(scene, "h1", uncorrectable_errors=5, fault="it met an error")
    report(scene, "h1", uncorrectable_errors=5)
    report(scene, "h1", uncorrectable_errors=None)
    report(scene, "h1", uncorrectable_errors=1)
    (told,) = events(scene, "pf.errors")
    assert told.details == {"uncorrectable": 3, "since_boot": 5}
    assert (told.host, told.subject) == ("h1", "pf 0000:05:00.0 on h1")
    assert events(scene, "host.inventory")[-1].details["new"] == 10, "it was no new inventory"


def test_who_has_a_vf_of_a_pf_in_fault_is_told(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    scene.settle(view.server.id)
    assert view.host is not None
    report(scene, view.host.name, fault="it met an error", uncorrectable_errors=1)
    report(scene, view.host.name, uncorrectable_errors=1)
    (nic,) = view.nics
    theirs = list_events(scene.svc, DEMO, ListQuery(equals={"port_id": (nic.port.port.id,)}))
    told = {event.action: event.details for event in theirs}
    assert told["port.cut_off"] == {"problem": "eth5: it met an error"}
    assert told["port.reconnected"] == {"was": "eth5: it met an error"}
