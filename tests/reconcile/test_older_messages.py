"""What controllers and agents of before said is understood: upgrades go host by host.

The files hold messages as they were written before networks could be QinQ, and ports that are up
had a link state said for them.
"""

from __future__ import annotations

import json
from pathlib import Path

from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfSettings, VlanProtocol
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.programming import desired_settings
from trunkline.reconcile.report import DeviceCondition, HostReport, ServerCondition
from trunkline.wire.json import decode

MESSAGES = Path(__file__).parent.parent / "golden/wire"
VF = PciAddress.parse("0000:05:10.0")


def test_an_agent_reads_what_an_older_controller_desires() -> None:
    config = decode((MESSAGES / "desired-before-qinq.json").read_bytes(), HostConfig)
    (server,) = config.servers
    nic, tap = server.nics
    assert nic.device is not None
    assert (config.generation, nic.device.address, nic.device.epoch) == (7, VF, 3)
    assert (tap.bridge, [held.epoch for held in config.releases]) == ("br-phy1", [2])
    assert (config.consoles, config.consoles_asked) == ((), 0)
    settings = desired_settings(nic, VfSettings(link_state=LinkState.DISABLE))
    assert isinstance(settings, VfSettings)
    # Ports that were down could not be cut off then: all are up.
    assert (settings.link_state, settings.vlan_id, settings.vlan_qos) == (LinkState.AUTO, 100, 3)
    assert settings.vlan_protocol is VlanProtocol.DOT1Q
    unable = desired_settings(nic, VfSettings(link_state=None))
    assert isinstance(unable, VfSettings), "that a port is up asks nothing of a driver"


def test_a_controller_reads_what_an_older_agent_reports() -> None:
    report = decode((MESSAGES / "report-before-qinq.json").read_bytes(), HostReport)
    pf, vf, pooled = report.inventory or ()
    assert (pf.function.vf_count_max, pf.bandwidth and pf.bandwidth.egress_mbps) == (7, 800)
    assert (vf.function.pf_can, vf.tags["trusted"]) == (("trust", "vlan_qos"), "true")
    assert pooled.network_pool is not None
    assert [fact.condition for fact in report.devices] == [
        DeviceCondition.READY, DeviceCondition.DIRTY,
    ]  # fmt: skip
    assert report.servers[0].condition is ServerCondition.RUNNING
    assert (report.guests, report.consoles) == ((), ())
    assert (pf.function.product_name, pf.function.uncorrectable_errors) == (None, None)


def test_a_controller_passes_over_what_a_newer_agent_tells_besides() -> None:
    """As the names of vendor and product were to controllers of before."""
    known = (MESSAGES / "report-before-qinq.json").read_bytes()
    said = json.loads(known)
    said["of_later"] = {"at": 1}
    for device in said["inventory"]:
        device["function"]["of_later"] = "new"
    assert decode(json.dumps(said), HostReport) == decode(known, HostReport)
