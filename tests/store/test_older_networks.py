"""Networks, subnets and ports of an older schema, read by this version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text

from tests.store.test_schema import at_revision
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import SecurityGroupRuleId
from trunkline.domain.security_group import DefaultRule
from trunkline.store.engine import open_engine
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction

AT = "2026-01-01T00:00:00.000000Z"
ROWS = {
    "networks": {
        "id": "n1", "project_id": "p", "name": "blue", "description": "", "admin_state_up": True,
        "shared": False, "provider": True, "mtu": 1500, "port_security_enabled": True,
        "pf_policy": "spread", "qinq": False,
    },
    "segments": {
        "id": "s1", "network_id": "n1", "position": 0, "network_type": "vlan",
        "physical_network": "phy1", "segmentation_id": 120,
    },
    "subnets": {
        "id": "b1", "network_id": "n1", "project_id": "p", "name": "", "description": "",
        "ip_version": 6, "cidr": "2001:db8::/64", "allocation_pools": "[]", "enable_dhcp": True,
        "dns_nameservers": "[]", "host_routes": "[]",
    },
    "ports": {
        "id": "q1", "network_id": "n1", "project_id": "p", "name": "", "description": "",
        "admin_state_up": True, "mac": "fa:16:3e:00:00:01", "vnic_type": "direct",
        "pci_match": "[]", "device_id": "", "device_owner": "", "port_security_enabled": True,
        "trusted": False, "vlan_qos": 0, "profile": "{}", "created_by_server": False,
    },
}  # fmt: skip


def test_what_was_made_before_has_no_tags_no_groups_and_no_modes(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    with at_revision(url, "0022") as connection:
        for table, row in ROWS.items():
            kept = row if table == "segments" else row | {
                "created_at": AT, "updated_at": AT, "revision": 3,
            }  # fmt: skip
            names = ", ".join(kept)
            values = ", ".join(f":{name}" for name in kept)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), kept)
    store = open_store(url)
    network = store.read(lambda tx: tx.networks.get("n1"))
    subnet = store.read(lambda tx: tx.subnets.get("b1"))
    port = store.read(lambda tx: tx.ports.get("q1"))
    assert (network.tags, subnet.tags, port.tags) == ((), (), ())
    assert (network.segments[0].name, network.segments[0].description) == (None, None)
    assert (subnet.ipv6_ra_mode, subnet.ipv6_address_mode) == (None, None)
    assert not subnet.addresses_follow_macs
    assert subnet.service_types == ()
    (segment,) = network.segments
    assert (segment.created_at, segment.updated_at) == (network.created_at, network.created_at)
    assert (port.allowed_address_pairs, port.extra_dhcp_opts) == ((), ())
    assert store.read(lambda tx: tx.security_groups.of_ports([port.id])) == {}
    store.close()


def test_a_network_that_a_replica_of_before_makes_meanwhile_can_be_read(
    new_url: Callable[[], str],
) -> None:
    """It has the columns of 0039, and the schema has been brought up to date by another."""
    url = new_url()
    store = open_store(url)
    of_then = {"created_at": AT, "updated_at": AT, "revision": 3}
    tags = {"tags": "[]"}
    engine = open_engine(url)
    with engine.begin() as connection:
        for table, more in (
            ("networks", of_then | tags), ("segments", {}), ("subnets", of_then | tags),
        ):  # fmt: skip
            row = ROWS[table] | more
            names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    engine.dispose()
    (segment,) = store.read(lambda tx: tx.networks.get("n1")).segments
    assert segment.created_at == segment.updated_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert store.read(lambda tx: tx.subnets.get("b1")).service_types == ()
    store.close()


def test_what_all_could_use_before_is_on_record_as_shared_with_all(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    row = ROWS["networks"] | {"created_at": AT, "updated_at": AT, "revision": 3}
    with at_revision(url, "0022") as connection:
        for id_, shared in (("n1", False), ("n2", True)):
            kept = row | {"id": id_, "shared": shared}
            names = ", ".join(kept)
            values = ", ".join(f":{name}" for name in kept)
            connection.execute(text(f"INSERT INTO networks ({names}) VALUES ({values})"), kept)
    store = open_store(url)
    assert store.read(lambda tx: tx.shares.targets_of("n2")) == {"*"}
    assert store.read(lambda tx: tx.shares.targets_of("n1")) == set()
    store.close()


def test_groups_that_there_are_stay_as_they_are_and_new_ones_begin_as_they_did(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    group = {
        "id": "g1", "project_id": "p", "name": "web", "description": "", "stateful": True,
        "tags": "[]", "created_at": AT, "updated_at": AT, "revision": 3,
    }  # fmt: skip
    with at_revision(url, "0038") as connection:
        names, values = ", ".join(group), ", ".join(f":{name}" for name in group)
        connection.execute(text(f"INSERT INTO security_groups ({names}) VALUES ({values})"), group)
    store = open_store(url)
    assert store.read(lambda tx: tx.security_groups.get("g1")).rules == ()
    found = store.read(lambda tx: tx.default_rules.of_new(is_default=True))
    assert store.read(lambda tx: tx.default_rules.of_new(is_default=False)) == [
        rule for rule in found if rule.in_others
    ]
    said = {(rule.direction.value, rule.ethertype.value, rule.remote_group_id) for rule in found}
    about = [("egress", None), ("ingress", "PARENT")]
    assert said == {(way, ip, group) for way, group in about for ip in ("IPv4", "IPv6")}
    for rule in found:
        same = replace(rule, id=SecurityGroupRuleId("new"))
        with pytest.raises(AlreadyExists):
            store.write(partial(add, rule=same))
    store.close()


def add(tx: Transaction, *, rule: DefaultRule) -> None:
    tx.default_rules.insert(rule)
