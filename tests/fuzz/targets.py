"""Each reader of bytes from outside, with what it may say of bytes that it can't use.

A target takes any bytes, and a directory of its own for readers of files. It returns, or raises one
of the classes that its callers expect: anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.contract.domains import VF0, VF1, domain_xml, hostdev, hostdev_nic, macvtap_nic
from tests.fuzz import seeds
from trunkline.agent.journal import JournalFile, JournalUnreadable
from trunkline.bootstrap.compute_config import load_compute_config
from trunkline.bootstrap.controller_config import load_controller_config
from trunkline.bootstrap.policy_file import read_policy
from trunkline.bootstrap.secret_file import UnusableSecret, read_secret
from trunkline.bootstrap.toml_reading import InvalidConfig
from trunkline.client.catalog import find_trunkline
from trunkline.client.clouds import find_cloud
from trunkline.client.connection import Reply
from trunkline.client.errors import ApiError, BadCredentials, Unreachable
from trunkline.client.session import read_answer
from trunkline.domain.numa import cpu_numbers
from trunkline.host.doctor.machine import read_machine
from trunkline.host.fleet import InvalidFleet, load_fleet
from trunkline.host.libvirt.image_format import UnfitImage, read_info, require_plain_qcow2
from trunkline.host.libvirt.reading import (
    UnreadableDomain,
    read_domain,
    read_network,
    read_other,
)
from trunkline.host.linux import bridge_messages, netlink
from trunkline.host.linux.addresses import parse_address
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.devlink_messages import parse_event, parse_family
from trunkline.host.linux.ethtool import version_in
from trunkline.host.linux.inventory import PfDriver
from trunkline.host.linux.link_messages import parse_link
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.pci_ids import names_in
from trunkline.host.linux.uevents import parse_uevent
from trunkline.host.linux.vpd import VpdMalformed, parse_vpd
from trunkline.host.privileged.additions import read_additions
from trunkline.host.privileged.requests import BadMessage, parse_answer, parse_request
from trunkline.host.simulated_host import open_host
from trunkline.keystone.answers import read_token
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainPower
from trunkline.reconcile.report import HostReport, ReportAck
from trunkline.wire import json
from trunkline.wire.enrolment import EnrolAnswer, EnrolBody

_URL: Final = "http://controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reader."""

    read: Callable[[bytes, Path], object]
    refusals: tuple[type[Exception], ...] = ()
    seeds: Sequence[bytes] = (b"",)  # What it can use, to begin from.

    def run(self, data: bytes, directory: Path) -> None:
        """Have it read `data`; raise what it should not have raised."""
        try:
            self.read(data, directory)
        except self.refusals:
            return


def _text(read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    return lambda data, _: read(data.decode("utf-8", "replace"))


def _view(read: Callable[[memoryview], object]) -> Callable[[bytes, Path], object]:
    return lambda data, _: read(memoryview(data))


def _file(read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Have it read as the content of a file that only its owner can read."""

    def read_file(data: bytes, directory: Path) -> object:
        path = directory / "file"
        path.write_bytes(data)
        path.chmod(0o600)
        return read(path)

    return read_file


def _datagram(data: bytes, _: Path) -> None:
    for each in netlink.messages(data):
        if each.type == netlink.NLMSG_ERROR:
            netlink.parse_answer(each)


def _attributes(data: bytes, _: Path) -> None:
    for _type, value in netlink.attributes(memoryview(data)):
        assert len(value) <= len(data)


def _bridging(link: memoryview) -> None:
    bridge_messages.parse_bridge(link)
    bridge_messages.parse_port(link)
    bridge_messages.is_about_a_port(link)


def _domain(xml: str) -> None:
    read_domain(xml, DomainPower.RUNNING)
    read_other(xml, DomainPower.RUNNING)


def _network(xml: str) -> None:
    read_network(xml, None, autostarts=True)
    read_network(xml, xml, autostarts=False)


def _machine(data: bytes, directory: Path) -> None:
    for name in ("proc/cpuinfo", "proc/cmdline", "proc/sys/kernel/osrelease"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    read_machine(directory)


def _simulated(data: bytes, directory: Path) -> None:
    (directory / "h1").mkdir(exist_ok=True)
    (directory / "h1/host.json").write_bytes(data)
    (directory / "h1/kernel.json").write_bytes(data)
    (directory / "h1/kernel.log").write_bytes(b"")
    (directory / "h1/hypervisor.json").write_bytes(data)
    open_host(directory, "h1").kernel.functions()


def _stored_kernel(data: bytes, directory: Path) -> None:
    (directory / "h1").mkdir(exist_ok=True)
    (directory / "h1/host.json").write_bytes(seeds.HOST)
    (directory / "h1/kernel.json").write_bytes(data)
    open_host(directory, "h1").kernel.functions()


def _answer(type_: type) -> Callable[[bytes, Path], object]:
    """Have it read as the body of an answer, a good one and an error's."""

    def read(data: bytes, _: Path) -> None:
        with suppress(ApiError):
            read_answer(Reply(status=500, headers={}, body=data), type_, _URL)
        read_answer(Reply(status=200, headers={}, body=data), type_, _URL)

    return read


def _journal_within(data: bytes, directory: Path) -> object:
    """Have it read as what a whole journal holds: its digest is right, whatever it says."""
    return _file(_journal)(seeds.journal_around(data), directory)


def _journal(path: Path) -> object:
    return JournalFile(path).current


def _body(type_: Any) -> Callable[[bytes, Path], object]:
    """Have it read as the API reads a body of an agent."""
    return lambda data, _: json.decode(data, type_)


def _clouds(path: Path) -> object:
    return find_cloud({"OS_CLIENT_CONFIG_FILE": str(path)}, name="trunkline", cwd=path.parent)


_BODY_FAULTS: Final = (msgspec.DecodeError,)

TARGETS: Final[dict[str, Target]] = {
    # The kernel.
    "netlink-datagram": Target(read=_datagram, refusals=(Malformed,), seeds=seeds.ANSWERS),
    "netlink-attributes": Target(read=_attributes, refusals=(Malformed,), seeds=seeds.NESTED),
    "link": Target(read=_view(parse_link), refusals=(Malformed,), seeds=seeds.LINKS),
    "bridge-port": Target(read=_view(_bridging), refusals=(Malformed,), seeds=seeds.PORTS),
    "fdb-entry": Target(
        read=_view(lambda entry: bridge_messages.parse_own_address(entry, 7)),
        refusals=(Malformed,),
        seeds=seeds.NEIGHBOURS,
    ),
    "address": Target(read=_view(parse_address), refusals=(Malformed,), seeds=seeds.ADDRESSES),
    "devlink": Target(read=_view(parse_event), refusals=(Malformed,), seeds=seeds.DEVLINK),
    "devlink-family": Target(
        read=_view(parse_family), refusals=(Malformed,), seeds=seeds.DEVLINK_FAMILIES
    ),
    "uevent": Target(read=lambda data, _: parse_uevent(data), seeds=seeds.UEVENTS),
    "vpd": Target(read=lambda data, _: parse_vpd(data), refusals=(VpdMalformed,), seeds=seeds.VPDS),
    "firmware-version": Target(
        read=lambda data, _: version_in(data.ljust(196, b"\0")[:196]), seeds=seeds.DRIVER_INFOS
    ),
    "cpu-list": Target(read=_text(cpu_numbers), refusals=(ValueError,), seeds=(b"0-7,16-23", b"")),
    "proc": Target(read=_machine, seeds=seeds.PROC),
    # Files that others bring, or that we left.
    "pci-ids": Target(
        read=_text(lambda text: names_in(text.splitlines(), "8086", "10c9")), seeds=seeds.PCI_IDS
    ),
    "stored-verdicts": Target(
        read=_file(lambda path: Capabilities(path).of(PfDriver("igb", "1.2"))),
        seeds=seeds.VERDICTS,
    ),
    "journal": Target(read=_file(_journal), refusals=(JournalUnreadable,), seeds=seeds.JOURNALS),
    "journal-content": Target(
        read=_journal_within, refusals=(JournalUnreadable,), seeds=seeds.JOURNAL_CONTENTS
    ),
    "helper-additions": Target(read=_file(read_additions), seeds=seeds.ADDITIONS),
    "simulated-host": Target(read=_simulated, refusals=(HostRefused,), seeds=(seeds.HOST,)),
    "simulated-kernel": Target(read=_stored_kernel, refusals=(HostRefused,), seeds=(seeds.KERNEL,)),
    # libvirt and QEMU.
    "domain-xml": Target(
        read=_text(_domain),
        refusals=(UnreadableDomain,),
        seeds=(domain_xml(hostdev_nic(VF0), hostdev(VF1), macvtap_nic("tl0")).encode(),),
    ),
    "network-xml": Target(read=_text(_network), refusals=(UnreadableDomain,), seeds=seeds.NETWORKS),
    "qcow2-header": Target(
        read=lambda data, _: require_plain_qcow2(data), refusals=(UnfitImage,), seeds=seeds.QCOW2S
    ),
    "qemu-img-info": Target(
        read=lambda data, _: read_info(data, expected_format="qcow2"),
        refusals=(UnfitImage,),
        seeds=seeds.IMAGE_INFOS,
    ),
    # The network, and the helper's socket.
    "helper-request": Target(
        read=lambda data, _: parse_request(data), refusals=(BadMessage,), seeds=seeds.REQUESTS
    ),
    "helper-answer": Target(
        read=lambda data, _: parse_answer(data),
        refusals=(BadMessage,),
        seeds=(b'{"answer":"done"}', b'{"answer":"refused","operation":"o","problem":"x"}'),
    ),
    "report": Target(read=_body(HostReport), refusals=_BODY_FAULTS, seeds=seeds.REPORTS),
    "enrolment": Target(
        read=_body(EnrolBody), refusals=_BODY_FAULTS, seeds=(b'{"key":"k","token":"t"}',)
    ),
    "desired": Target(read=_answer(HostConfig), refusals=(Unreachable,), seeds=seeds.DESIRED),
    "report-ack": Target(
        read=_answer(ReportAck), refusals=(Unreachable,), seeds=(b'{"generation":3}',)
    ),
    "enrolment-answer": Target(
        read=_answer(EnrolAnswer),
        refusals=(Unreachable,),
        seeds=(b'{"token":"t"}',),
    ),
    # What operators write.
    "keystone-token": Target(
        read=lambda data, _: read_token(data), refusals=(ValueError,), seeds=seeds.TOKENS
    ),
    "catalog": Target(
        read=lambda data, _: find_trunkline(data, "RegionOne"),
        refusals=(BadCredentials,),
        seeds=seeds.CATALOGS,
    ),
    "compute-toml": Target(
        read=_file(load_compute_config), refusals=(InvalidConfig,), seeds=seeds.COMPUTE
    ),
    "controller-toml": Target(
        read=_file(load_controller_config), refusals=(InvalidConfig,), seeds=seeds.CONTROLLER
    ),
    "fleet-toml": Target(read=_file(load_fleet), refusals=(InvalidFleet,), seeds=seeds.FLEETS),
    "clouds-yaml": Target(read=_file(_clouds), refusals=(BadCredentials,), seeds=seeds.CLOUDS),
    "policy-yaml": Target(read=_file(read_policy), refusals=(InvalidConfig,), seeds=seeds.POLICIES),
    "secret": Target(read=_file(read_secret), refusals=(UnusableSecret,), seeds=(b"s3cret\n",)),
}
