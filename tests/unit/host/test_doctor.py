"""What the doctor finds in facts: each thing that can be missing, and its exact fix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.doctor_facts import (
    DISK,
    IGB,
    IGB_VFS,
    MLX,
    WELL,
    with_agent,
    with_card,
    with_machine,
)
from trunkline.domain.device import switchdev_fault
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.iommu_group import GROUP_REMEDY
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.checks import diagnose
from trunkline.host.doctor.facts import (
    ControllerFacts,
    Facts,
    HelperFacts,
    LibvirtFacts,
    ModuleState,
)
from trunkline.host.doctor.findings import Finding, Verdict

CARD, OTHER_CARD = f"card {IGB} (eth2)", f"card {MLX} (eth3)"
LIBVIRT = LibvirtFacts(
    uri="qemu:///system", version=9_000_000, domain_types=frozenset({"kvm", "qemu"})
)


def not_well(facts: Facts) -> list[Finding]:
    return [each for each in diagnose(facts) if each.verdict is not Verdict.OK]


def test_a_host_that_lacks_nothing_is_well() -> None:
    assert not_well(WELL) == []


def no_iommu(*command_line: str, **more: object) -> Facts:
    return with_machine(iommu_group_count=0, iommus=(), command_line=command_line, **more)


def with_bridge(**changes: Any) -> Facts:
    return replace(WELL, bridges={"br-phy1": replace(WELL.bridges["br-phy1"], **changes)})


def test_what_others_use_is_listed_and_lacks_nothing() -> None:
    vf = IGB_VFS[0]
    facts = with_vf(vf, used_by="libvirt domain vintage")
    assert not_well(facts) == []
    assert Finding(f"device {vf}", Verdict.OK, "is left alone: libvirt domain vintage") in diagnose(
        facts
    )


def with_vf(address: PciAddress, **changes: Any) -> Facts:
    functions = {**WELL.functions, address: replace(WELL.functions[address], **changes)}
    return replace(WELL, functions=functions)


@pytest.mark.parametrize(
    ("facts", "check", "verdict", "found", "fix"),
    [
        (no_iommu("quiet"), "iommu", Verdict.MISSING, "off: there are no IOMMU groups",
         "enable VT-d in the firmware setup, and add intel_iommu=on iommu=pt in GRUB_CMDLINE"),
        (no_iommu("intel_iommu=on", "iommu=pt"), "iommu", Verdict.MISSING, "told to use it",
         "enable VT-d in the firmware setup"),
        (no_iommu("intel_iommu=off"), "iommu", Verdict.MISSING, "started with intel_iommu=off",
         "replace intel_iommu=off by intel_iommu=on iommu=pt"),
        (with_machine(iommu_group_count=0, command_line=()), "iommu", Verdict.MISSING,
         "the firmware has dmar0", "add intel_iommu=on"),
        (no_iommu(cpu_vendor="AuthenticAMD"), "iommu", Verdict.MISSING, "off", "AMD-Vi"),
        (with_machine(has_kvm=False), "kvm", Verdict.MISSING, "not there", "modprobe kvm_intel"),
        (with_machine(has_kvm=False, cpu_virtualizes=False), "kvm", Verdict.MISSING, "no VMX",
         "enable virtualization"),
        (with_agent(domain_type="qemu"), "kvm", Verdict.WARNING, "emulated", "domain_type"),
        (with_machine(vfio_pci=ModuleState.MISSING), "vfio", Verdict.MISSING, "no module vfio-pci",
         "apt install linux-image-amd64"),
        (with_card(IGB, vf_count_max=0), CARD, Verdict.MISSING, "SR-IOV is there with 0 VFs",
         "firmware setup"),
        (with_card(MLX, {"has_sriov": False}), OTHER_CARD, Verdict.MISSING, "SR-IOV is not there",
         f"mstconfig -d {MLX} set SRIOV_EN=1"),
        (with_card(IGB, driver=None), CARD, Verdict.MISSING, "no driver", f"lspci -k -s {IGB}"),
        (with_card(IGB, {"vf_memory": False}), CARD, Verdict.MISSING, "no addresses",
         "pci=realloc"),
        (with_card(IGB, {"is_up": False}), CARD, Verdict.MISSING, "set down",
         "ip link set eth2 up"),
        (with_card(IGB, fault=switchdev_fault(IGB)), CARD, Verdict.MISSING,
         "in switchdev mode", f"devlink dev eswitch set pci/{IGB} mode legacy"),
        (with_card(IGB, link_up=False), CARD, Verdict.WARNING, "no link", "ethtool eth2"),
        (with_card(IGB, uncorrectable_errors=3), CARD, Verdict.WARNING,
         "has met 3 uncorrectable errors", "dmesg | grep"),
        (with_card(IGB, unfit=f"shares IOMMU group 7 with {DISK}; {GROUP_REMEDY}"), CARD,
         Verdict.WARNING, f"refused to guests whole: it shares IOMMU group 7 with {DISK}", "ACS"),
        (with_vf(IGB_VFS[1], unfit=f"shares IOMMU group 7 with {IGB}; {GROUP_REMEDY}"), CARD,
         Verdict.MISSING, f"refused to guests: {IGB_VFS[1]} shares IOMMU group 7 with {IGB}",
         'network_pool = "passthrough"'),
        (with_card(IGB, {"vfs_managed": True}), CARD, Verdict.WARNING, "NetworkManager",
         "match-device=driver:igbvf"),
        (replace(WELL, functions={**WELL.functions, IGB_VFS[0]:
                 replace(WELL.functions[IGB_VFS[0]], iommu_group=None)}),
         CARD, Verdict.MISSING, "in no IOMMU group", "another slot"),
        (with_agent(device_specs=parse_device_specs([{"ifname": "eth3", "vf_count": 1}])), CARD,
         Verdict.WARNING, "no device spec puts it on offer", f'address = "{IGB}"'),
        (with_agent(device_specs=parse_device_specs(
            [{"address": str(IGB_VFS[0]), "managed": False},
             {"ifname": "eth2"}, {"ifname": "eth3", "vf_count": 1}])),
         f"device {IGB_VFS[0]}", Verdict.MISSING,
         "is refused to guests: it is bound to igbvf, and its device spec says managed = false",
         f"`driverctl set-override {IGB_VFS[0]} vfio-pci` binds it, or remove managed"),
        (with_agent(device_specs=parse_device_specs(
            [{"address": "auto", "tags": {"rack": "a"}}, {"ifname": "eth2"},
             {"ifname": "eth3", "vf_count": 1}], allow_auto=True),
            spec_faults={0: "no PF fits; write an address"}),
         "device_spec[0]", Verdict.MISSING, "no PF fits", "write an address, in "),
        (with_vf(IGB_VFS[0], driver="igb_vfio_pci", ifname=None), f"device {IGB_VFS[0]}",
         Verdict.WARNING, "is bound to igb_vfio_pci, which libvirt replaces by vfio-pci",
         "`managed = false` in its device spec in "),
        (with_agent(bridge_faults={PhysicalNetwork("phy9"): "br-a and br-b have PFs on phy9 as "
                    "uplinks; write the name of one of them"}),
         "bridge of phy9", Verdict.MISSING, "br-a and br-b have PFs on phy9 as uplinks",
         "write the name of one of them, in "),
        (with_agent(device_specs=parse_device_specs(
            [{"address": str(IGB)}, {"ifname": "eth2"}, {"ifname": "eth3", "vf_count": 1}])),
         "device_spec[1]", Verdict.WARNING,
         "decides about nothing here: device_spec[0], which stands before it, means all that it",
         "put it first in "),
        (replace(WELL, functions_problem="read /sys: EACCES"), "cards", Verdict.MISSING,
         "can't be read", "mount sysfs"),
        (replace(WELL, nics={}), "cards", Verdict.MISSING, "no card here has SR-IOV", "enable"),
        (replace(WELL, udev_rules=("/etc/udev/rules.d/70-net.rules",)), "udev", Verdict.WARNING,
         "names netdevs", "take these lines out of /etc/udev/rules.d/70-net.rules"),
        (replace(WELL, groups=frozenset({"trunkline"})), "user", Verdict.WARNING,
         "trunkline is not in libvirt", "usermod -aG libvirt trunkline"),
        (with_machine(missing_programs=("xorriso",)), "xorriso", Verdict.MISSING,
         "config drives need it", "apt install xorriso"),
        (with_machine(kvm_problem="is no KVM: busy"), "kvm", Verdict.MISSING,
         "/dev/kvm is no KVM: busy", "dmesg"),
        (with_bridge(uplinks=()), "bridge br-phy1", Verdict.WARNING, "has no uplink",
         "ip link set NETDEV master br-phy1"),
        (with_bridge(vlan_filtering=False), "bridge br-phy1", Verdict.WARNING,
         "does not keep VLANs apart", "ip link set br-phy1 type bridge vlan_filtering 1"),
        (replace(WELL, bridges={}, netdevs=frozenset()), "bridge br-phy1",
         Verdict.MISSING, "is not there", "ip link add br-phy1 type bridge"),
        (replace(WELL, bridges={}), "bridge br-phy1", Verdict.MISSING, "is no bridge",
         "bridges.phy1 of compute.toml"),
        (replace(WELL, libvirt=LibvirtFacts(uri="qemu:///system", problem="no socket", fix="do")),
         "libvirt", Verdict.MISSING, "no socket", "do"),
        (replace(WELL, libvirt=replace(LIBVIRT, version=8_010_002)), "libvirt", Verdict.MISSING,
         "8.10.2 is older than 9.0.0", "Debian 12"),
        (replace(WELL, libvirt=replace(LIBVIRT, domain_types=frozenset({"qemu"}))), "libvirt",
         Verdict.MISSING, "no domains of type kvm (qemu)", "qemu-system-x86"),
        (with_agent(file_problem="/etc/trunkline/compute.toml must be root's",
                    file_remedy="`chown root /etc/trunkline/compute.toml`"), "config",
         Verdict.MISSING, "must be root's, or the helper refuses to start", "chown root"),
        (replace(WELL, helper=HelperFacts(socket="/s", exists=False, answers=False)), "helper",
         Verdict.MISSING, "/s is not there",
         "systemctl enable --now trunkline-host-helper.socket"),
        (replace(WELL, helper=HelperFacts(socket="/s", exists=True, answers=False,
                                          problem="permission denied")),
         "helper", Verdict.MISSING, "does not answer trunkline: permission denied", "usermod -aG"),
        (replace(WELL, controller=ControllerFacts(url="http://c", problem="connection refused")),
         "controller", Verdict.MISSING, "http://c: connection refused",
         "mend controller.url in compute.toml"),
        (replace(WELL, controller=ControllerFacts(url="https://c", problem="its certificate is"
                                                  " not trusted", is_tls_problem=True)),
         "controller", Verdict.MISSING, "not trusted", "set controller.ca_file"),
        (replace(WELL, controller=ControllerFacts(url="http://c", clock_ahead_seconds=-90.0)),
         "clock", Verdict.WARNING, "is 90 s behind the controller's", "apt install chrony"),
        (with_agent(state_dir_problem="trunkline can't write to /var/lib"), "state",
         Verdict.MISSING, "can't write", "install -d -m 0750 -o trunkline"),
        (with_agent(has_token=False, enrolment_problem="e.key: it can't be read"), "enrolment",
         Verdict.MISSING, "h1 is not enrolled, and e.key: it can't be read",
         "trunkline host enrol-token create --host h1"),
        (replace(WELL, agent=None), "config", Verdict.WARNING, "only the machine", "--config"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_its_fix(
    facts: Facts, check: str, verdict: Verdict, found: str, fix: str
) -> None:
    wrong = not_well(facts)
    mine = [each for each in wrong if each.check == check and found in each.found]
    assert mine, wrong
    assert mine[0].verdict is verdict
    assert fix in mine[0].fix
    assert [each for each in wrong if each not in mine] == [] or check in ("cards", "config")


def test_a_spec_that_matches_nothing_leaves_its_physical_network_without_a_card() -> None:
    specs = parse_device_specs([
        {"address": "0000:05:*.*", "physical_network": "phy1"},
        {"ifname": "eth3", "vf_count": 1},
        {"address": "0000:c1:*.*", "physical_network": "phy3"},
    ])  # fmt: skip
    (finding,) = not_well(with_agent(device_specs=specs))
    assert finding.check == "device_spec[2]"
    assert finding.found == "matches nothing on this host; phy3 has no card by it"


def test_specs_that_contradict_each_other_are_told() -> None:
    specs = parse_device_specs([
        {"address": "0000:05:10.*", "physical_network": "phy2"},
        {"address": "0000:05:*.*", "physical_network": "phy1"},
        {"ifname": "eth3", "vf_count": 1},
    ])  # fmt: skip
    (finding,) = not_well(with_agent(device_specs=specs))
    assert "PF 0000:05:00.0 is on physical network phy1, and its VF" in finding.found


def test_a_card_without_vfs_that_nobody_makes_is_told() -> None:
    specs = parse_device_specs([{"ifname": "eth2"}, {"ifname": "eth3"}])
    (finding,) = not_well(with_agent(device_specs=specs))
    assert (finding.check, finding.verdict) == (OTHER_CARD, Verdict.WARNING)
    assert "`vf_count = 8`, or fewer, in its device spec" in finding.fix
    whole = parse_device_specs([{"ifname": "eth2"}, {"ifname": "eth3", "offer": "pf"}])
    assert not_well(with_agent(device_specs=whole)) == []


def test_a_card_that_a_spec_excludes_is_well_and_not_on_offer() -> None:
    specs = parse_device_specs(
        [{"ifname": "eth2", "exclude": True}, {"ifname": "eth3", "vf_count": 1}]
    )
    facts = with_agent(device_specs=specs)
    assert not_well(facts) == []
    assert any("not on offer, as its device spec says" in each.found for each in diagnose(facts))


@pytest.mark.parametrize("spec", [{"ifname": "eth2", "exclude": True}, None])
def test_of_a_card_that_is_not_on_offer_nothing_is_asked(spec: dict[str, Any] | None) -> None:
    specs = parse_device_specs([*([spec] if spec else []), {"ifname": "eth3", "vf_count": 1}])
    facts = replace(
        with_card(IGB, {"is_up": False, "vf_memory": False}, driver=None),
        agent=with_agent(device_specs=specs).agent,
    )
    found = {(each.check, each.verdict) for each in not_well(facts)}
    assert found == (set() if spec else {(CARD, Verdict.WARNING)})


def test_a_card_is_on_offer_whose_vfs_alone_a_spec_means() -> None:
    [product] = {WELL.functions[vf].product_id for vf in IGB_VFS}
    specs = parse_device_specs(
        [{"vendor_id": "8086", "product_id": product}, {"ifname": "eth3", "vf_count": 1}]
    )
    facts = replace(with_card(IGB, {"is_up": False}), agent=with_agent(device_specs=specs).agent)
    [finding] = not_well(facts)
    assert (finding.check, finding.verdict) == (CARD, Verdict.MISSING)
    assert "set down" in finding.found


def test_every_fault_of_the_configuration_is_a_line_of_its_own() -> None:
    facts = with_agent(faults=("host: missing", "bridge: unknown"), has_token=False)
    said = [each.found for each in not_well(facts) if each.check == "config"]
    assert said == ["host: missing", "bridge: unknown"]


def test_every_finding_that_is_not_well_has_a_fix() -> None:
    for facts in (no_iommu(), replace(WELL, nics={}), with_machine(has_kvm=False)):
        assert all(each.fix for each in not_well(facts))
        assert not any(each.fix for each in diagnose(facts) if each.verdict is Verdict.OK)
