"""Small random fleets and requests, as raw data: tight enough that about half are refused."""

from __future__ import annotations

from random import Random

from tests.oracle.placement_oracle import RawDevice, RawHost, RawNic, RawOption, RawRequest

NETWORKS = ("phy1", "phy2")


def random_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    if dice.random() < 0.4:
        return contended_instance(dice)
    hosts = [random_host(dice, number) for number in range(dice.choice((1, 1, 1, 2, 3)))]
    return random_request(dice), hosts


def contended_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    """One roomy host, whole PFs and VFs wanted together, barely enough of them."""
    host = random_host(dice, 0)
    families = dice.choice((2, 3, 3, 4))
    devices = [d for p in range(families) for d in _random_family(dice, f"h0-pf{p}", busy=0.0)]
    dice.shuffle(devices)
    host |= {"enabled": True, "up": True, "vcpus": 8, "memory": 4096, "disk": 40}
    host["devices"] = devices
    request = random_request(dice)
    kinds = ["pf"] * dice.choice((1, 1, 2)) + ["vf"] * dice.choice((1, 2, 3))
    dice.shuffle(kinds)
    request |= {
        "excluded": [],
        "only": None,
        "nics": [_random_nic(dice, f"nic {n}", kind) for n, kind in enumerate(kinds)],
    }
    return request, [host]


def competing_instance(dice: Random) -> tuple[RawRequest, list[RawHost]]:
    """One host with room for many servers, whose NICs compete for its devices."""
    host = random_host(dice, 0)
    busy = dice.choice((0.0, 0.3))
    families = [_random_family(dice, f"h0-pf{p}", busy) for p in range(dice.choice((2, 3, 4)))]
    host |= {"enabled": True, "up": True, "vcpus": 64, "memory": 65536, "disk": 640}
    host["devices"] = [device for family in families for device in family]
    request = random_request(dice)
    kinds = ["vf"] * dice.choice((2, 2, 3)) + ["pf"] * dice.choice((0, 0, 1))
    request |= {
        "excluded": [],
        "only": None,
        "vcpus": 1,
        "memory": 1,
        "disk": 0,
        "nics": [_random_nic(dice, f"nic {n}", kind) for n, kind in enumerate(kinds)],
    }
    return request, [host]


def random_host(dice: Random, number: int) -> RawHost:
    devices: list[RawDevice] = []
    for p in range(dice.choice((0, 1, 2, 3, 3, 4))):
        devices += _random_family(dice, f"h{number}-pf{p}")
    if dice.random() < 0.15:
        devices.append(_device(f"h{number}-plain", "plain", None, None, _tags(dice), True))
    dice.shuffle(devices)
    return {
        "id": f"id-h{number}",
        "name": f"h{number}",
        "enabled": dice.random() < 0.95,
        "up": dice.random() < 0.95,
        "vcpus": dice.choice((2, 8, 8)),
        "memory": dice.choice((1024, 4096, 4096)),
        "disk": dice.choice((10, 40, 40)),
        "bridges": [name for name in NETWORKS if dice.random() < 0.7],
        "devices": devices,
    }


def _random_family(dice: Random, pf: str, busy: float | None = None) -> list[RawDevice]:
    """A PF and its VFs: tags of one VF may differ, the PF may be off offer, some have owners."""
    tags = _tags(dice)
    if busy is None:
        busy = dice.choice((0.0, 0.0, 0.2, 0.6))
    devices = []
    pf_free = dice.random() >= 0.15
    if dice.random() < 0.8:
        devices.append(_device(pf, "pf", None, None, tags, pf_free))
    for index in range(dice.choice((0, 1, 2, 2, 3))):
        own = tags if dice.random() < 0.8 else _tags(dice)
        free = dice.random() >= busy
        devices.append(_device(f"{pf}-vf{index}", "vf", pf, index, own, free))
    return devices


def _tags(dice: Random) -> dict[str, str]:
    tags = {"e.physical_network": dice.choice(NETWORKS)}
    if dice.random() < 0.5:
        tags["e.trusted"] = dice.choice(("true", "false"))
    if dice.random() < 0.2:
        tags["e.rack"] = "a"
    return tags | {"vendor_id": dice.choice(("15b3", "8086"))}


def _device(
    name: str, kind: str, pf: str | None, vf_index: int | None, tags: dict[str, str], free: bool
) -> RawDevice:
    attributes = {**tags, "dev_type": kind}
    return {
        "id": name,
        "kind": kind,
        "pf": pf,
        "vf_index": vf_index,
        "attributes": attributes,
        "free": free,
    }


def random_request(dice: Random) -> RawRequest:
    count = dice.choice((0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5))
    return {
        "nics": [_random_nic(dice, f"nic {n}") for n in range(count)],
        "vcpus": dice.choice((1, 1, 1, 4)),
        "memory": dice.choice((512, 512, 2048)),
        "disk": dice.choice((0, 5, 20)),
        "excluded": ["id-h0"] if dice.random() < 0.03 else [],
        "only": dice.choice(("h0", "h1")) if dice.random() < 0.05 else None,
    }


def _random_nic(dice: Random, name: str, kind: str | None = "any") -> RawNic:
    if kind == "any":
        kind = dice.choice(("vf",) * 16 + ("pf",) * 8 + (None,) * 4 + ("plain",))
    options: list[RawOption] = [
        {
            "segment": f"segment-{network}",
            "attributes": {} if dice.random() < 0.1 else {"e.physical_network": network},
            "bridge": network,
        }
        for network in dice.sample(NETWORKS, dice.choice((1, 2)))
    ]
    attributes: dict[str, str] = {}
    if dice.random() < 0.25:
        attributes["e.trusted"] = dice.choice(("true", "false"))
    if dice.random() < 0.1:
        attributes["vendor_id"] = "15b3"
    return {"name": name, "kind": kind, "options": options, "attributes": attributes}
