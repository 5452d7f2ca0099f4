"""What each reader can use: recordings of the lab's card, and what Trunkline itself writes."""

from __future__ import annotations

import hashlib
import json as plain_json
import struct
from pathlib import Path
from typing import Final

from tests.reconcile.scenes import IGB, MLX, a_nic, a_server, vf, whole
from tests.support.lab_recordings import RECORDINGS, datagrams
from tests.support.stand_in_keystone import token_body
from tests.unit.host.linux.devlink_bytes import device_gone, family, port_gone, reporter
from trunkline.agent.journal import FORMAT_VERSION
from trunkline.domain.device import DeviceKind, OfferedDevice, PciFunction
from trunkline.domain.ids import HostName
from trunkline.domain.port import VnicType
from trunkline.domain.vf import LinkState
from trunkline.domain.vf_capabilities import VfCapabilities
from trunkline.host.fleet import load_fleet, shipped_fleets
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.observed import Journal, OriginalState, UplinkVlan
from trunkline.reconcile.report import HostReport
from trunkline.wire import json


def _nla(type_: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), type_) + value + bytes(-len(value) % 4)


def _link(family: int, *attributes: bytes) -> bytes:
    return struct.pack("=BxHiII", family, 1, 7, 0x1043, 0) + b"".join(attributes)


LINKS: Final = tuple(
    payload
    for path in sorted(RECORDINGS.glob("*.getlink"))
    for payload in datagrams(path.name)
)  # fmt: skip
NESTED: Final = tuple(payload[16:] for payload in LINKS)  # After the header of a link.
ANSWERS: Final = tuple(
    datagram
    for pattern in ("*.answer", "*.newlink")
    for path in sorted(RECORDINGS.glob(pattern))
    for datagram in datagrams(path.name)
)
DEVLINK_FAMILIES: Final = (family(id_=31, groups={"config": 14}),)
DEVLINK: Final = (
    reporter("pci", "0000:05:00.0", "fw", state=1),
    reporter("pci", "0000:05:00.0", "tx", state=0, port=65535),
    device_gone("pci", "0000:05:00.0"),
    port_gone("pci", "0000:05:00.0", 65535),
)
UEVENTS: Final = tuple(datagrams("vf-created.uevents"))

_VLANS: Final = _nla(2, struct.pack("=HH", 6, 1)) + _nla(2, struct.pack("=HH", 0, 100))
_BRIDGE: Final = _nla(7, b"\1") + _nla(8, b"\x81\0") + _nla(39, b"\1\0")
PORTS: Final = (
    _link(7, _nla(3, b"vnet0\0"), _nla(10, struct.pack("=I", 3)), _nla(26, _VLANS)),
    _link(0, _nla(3, b"br0\0"), _nla(18, _nla(1, b"bridge\0") + _nla(2, _BRIDGE))),
)
_NEIGHBOUR: Final = struct.pack("=BxxxiHBB", 7, 7, 0xC0, 2, 0)
NEIGHBOURS: Final = (_NEIGHBOUR + _nla(2, bytes.fromhex("fa163e000001")),)
ADDRESSES: Final = (
    struct.pack("=BBBBI", 2, 24, 0x80, 0, 7) + _nla(1, b"\xc0\0\2\1") + _nla(2, b"\xc0\0\2\1"),
)

_FIELDS: Final = b"PN\x0cMCX512A-ACATSN\x0cMT2012X00001RV\1\x55"
VPDS: Final = (
    b"\x82\x0d\0ConnectX-5 EN\x90" + struct.pack("<H", len(_FIELDS)) + _FIELDS + b"\x78\xff",
)
DRIVER_INFOS: Final = (
    b"\3\0\0\0" + b"igb".ljust(32, b"\0") + bytes(32) + b"3.25, 0x80000000".ljust(32, b"\0"),
)
PROC: Final = (
    b"vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n\nvendor_id: x\n",
    b"quiet intel_iommu=on iommu=pt\n",
)
PCI_IDS: Final = (b"# list\n8086  Intel\n\t10c9  82576\n\t\t103c 31ef  NC362i\nC 02  Network\n",)

VERDICTS: Final = (
    json.encode({
        "version": 1,
        "seen": {"igb 1.2": VfCapabilities(link_states=frozenset(LinkState))},
    }),
)  # fmt: skip
_JOURNAL: Final = Journal(
    boot_id="b",
    generation=7,
    epochs={IGB: 3},
    originals={IGB: OriginalState(address=IGB, vf_count=7)},
    unknown=frozenset({MLX}),
    uplink_vlans=frozenset({UplinkVlan(bridge="br0", ifname="eth2", vlan_id=100)}),
)
JOURNAL_CONTENTS: Final = (json.encode(_JOURNAL), json.encode(Journal()))


def journal_around(content: bytes) -> bytes:
    """Put a journal's content into the file that holds it, with its digest."""
    digest = hashlib.sha256(content).hexdigest()
    head = plain_json.dumps({"version": FORMAT_VERSION, "sha256": digest})
    return head[:-1].encode() + b',"journal":' + content + b"}"


JOURNALS: Final = tuple(map(journal_around, JOURNAL_CONTENTS))
ADDITIONS: Final = (
    (
        b'[{"ifname":"eth2","ifindex":3,"vlan_id":100},'
        b'{"ifname":"eth2","ifindex":3,"mac":"fa:16:3e:00:00:01"}]'
    ),
)
_FLEET: Final = load_fleet(shipped_fleets()["scenario"])
_FIRST: Final = next(iter(_FLEET.hosts()))
HOST: Final = json.encode({
    "name": _FIRST.name, "resources": _FIRST.resources, "device_specs": _FIRST.raw_device_specs,
})  # fmt: skip
KERNEL: Final = json.encode(_FIRST.kernel)

NETWORKS: Final = (
    b"""<network connections='1'><name>trunkline-phy1</name>
<metadata><trunkline:network xmlns:trunkline="urn:trunkline:1"/></metadata>
<forward dev='d0' mode='passthrough'><interface dev='d0' connections='1'/></forward></network>""",
    b"""<network><metadata><trunkline:network xmlns:trunkline="urn:trunkline:1"/></metadata>
<forward mode='hostdev' managed='yes'><address type='pci' domain='0x0000' bus='0x01' slot='0x10'
 function='0x0'/></forward></network>""",
)
_QCOW2: Final = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, 0, 0, 16, 1 << 30, 0).ljust(72, b"\0")
QCOW2S: Final = (_QCOW2 + struct.pack(">QQQII", 0, 0, 0, 4, 104),)
IMAGE_INFOS: Final = (
    (
        b'{"format":"qcow2","virtual-size":1048576,"filename":"x",'
        b'"format-specific":{"type":"qcow2","data":{"compat":"1.1"}}}'
    ),
)

REQUESTS: Final = (
    (
        b'{"do":"set_vf","pf":"0000:05:00.0","vf_index":0,"mac":"fa:16:3e:00:00:01","vlan_id":100,'
        b'"vlan_qos":0,"link_state":"auto","min_tx_rate_mbps":0,"max_tx_rate_mbps":10}'
    ),
    b'{"do":"set_bridge_vlan","ifname":"vnet0","vlan_id":100,"untagged":true,"member":true}',
    b'{"do":"set_fdb_entry","ifname":"eth2","mac":"fa:16:3e:00:00:01","present":true}',
    b'{"do":"rename_netdev","old":"eth2v0","new":"tl0123456789ab"}',
)
REPORTS: Final = (
    json.encode(
        HostReport(
            host=HostName("h1"),
            run_id="r",
            number=1,
            generation=0,
            inventory=(
                OfferedDevice(
                    function=PciFunction(
                        address=IGB, kind=DeviceKind.PF, vendor_id="8086", product_id="10c9"
                    ),
                    tags={"physical_network": "phy1"},
                ),
            ),
        )
    ),
)
DESIRED: Final = (
    json.encode(
        HostConfig(
            host=HostName("h1"),
            generation=3,
            servers=(
                a_server(
                    1,
                    a_nic(1, vf(IGB, 0)),
                    a_nic(2, vf(MLX, 1), VnicType.MACVTAP),
                    a_nic(3, None, VnicType.NORMAL),
                ),
            ),
            releases=(whole(MLX),),
        )
    ),
)

COMPUTE: Final = (
    b"""state_dir = "/var/lib/trunkline/agent"
host = "h1"
drift = "report"
bridges = { phy1 = "br0" }
[controller]
url = "https://controller:8774"
enrolment_key_file = "key"
[resources]
vcpus = 8
[[device_spec]]
address = { bus = "05", function = "[0-3]" }
physical_network = "phy1"
egress_mbps = 4000
""",
)
CONTROLLER: Final = (
    b"""data_dir = "data"
public_url = "https://api.example:8774"
[listen]
address = "::"
port = 8774
[networking]
tenant_network_types = ["vlan"]
mtu = 9000
[networking.vif_types]
direct = "hw_veb"
[[physical_network]]
name = "phy1"
vlans = ["100-199", "205"]
default_vnic_type = "direct"
[[pci_alias]]
name = "gpu"
vendor_id = "10de"
product_id = "1eb8"
[placement]
ranking = ["spread_devices"]
[retention]
events_days = 30
""",
)
FLEETS: Final = (
    shipped_fleets()["large-1000"].read_bytes(),
    shipped_fleets()["scenario"].read_bytes(),
)
POLICIES: Final = (
    b"""# The network team.
"ours": "role:netops or (role:member and not project_id:%(project_id)s)"
"create_network": "rule:ours or 'x':%(project_id)s"
create_port:binding:host_id: '@'
""",
    b'"get_port": "!"',
)
CLOUDS: Final = (
    b"""clouds:
  trunkline:
    auth:
      auth_url: http://127.0.0.1:8774/identity
      username: "admin"
      password: 's3cret'
      project_name: admin  # The first one.
    region_name: RegionOne
""",
    b'{"clouds":{"trunkline":{"auth":{"auth_url":"http://x","username":"u","password":"p","project_name":"a"}}}}',
)


def corpus(directory: Path, seeds: tuple[bytes, ...]) -> None:
    """Write seeds where a fuzzer begins from."""
    directory.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (directory / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


TOKENS: Final = tuple(
    plain_json.dumps(token_body("alice", "member", **scope)).encode()
    for scope in (
        {},
        {"project": None, "system": {"all": True}},
        {"project": None, "domain": {"id": "default", "name": "Default"}},
        {"is_admin_project": False},
    )
)
CATALOGS: Final = tuple(
    plain_json.dumps({"token": {"catalog": [{"type": "trunkline", "endpoints": [
        {"interface": "public", "region_id": region, "url": url}
    ]}]}}).encode()
    for region, url in (("RegionOne", "http://controller:8774/"), ("RegionOne", "https://[::1]:8774/tl"))
)  # fmt: skip
