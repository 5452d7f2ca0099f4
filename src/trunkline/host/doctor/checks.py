"""Judging facts: each check a function from facts to findings. No I/O.

A fix is what an operator of Debian types or sets; where it is in the firmware, the words that its
menus use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trunkline.domain.device import (
    VFIO_DRIVER,
    DeviceKind,
    PciFunction,
    is_vfio_driver,
    not_bound_to_vfio,
)
from trunkline.domain.device_spec import Offering
from trunkline.domain.iommu_group import GROUP_REMEDY, without_remedy
from trunkline.host.doctor.card_checks import check_cards
from trunkline.host.doctor.facts import (
    AgentFacts,
    BridgeFacts,
    Facts,
    MachineFacts,
    ModuleState,
)
from trunkline.host.doctor.findings import Finding, missing, ok, warning

# The oldest that the domain XML was tried on: Debian 12's.
LIBVIRT_VERSION_MIN: Final = 9_000_000
# Tokens and TLS certificates have times; a report's own time is the controller's.
CLOCK_SECONDS_MAX: Final = 5.0
_GRUB: Final = "in GRUB_CMDLINE_LINUX of /etc/default/grub, then `update-grub` and reboot"
# By which libvirt and the helper know the agent's user.
_GROUPS: Final = frozenset({"libvirt", "trunkline"})
_PROGRAMS: Final = {
    "qemu-img": ("servers' disks", "qemu-utils"),
    "xorriso": ("servers' config drives", "xorriso"),
}
_IOMMU_BY_VENDOR: Final = {
    "GenuineIntel": ("VT-d", "intel_iommu=on iommu=pt"),
    "AuthenticAMD": ("AMD-Vi (IOMMU)", "iommu=pt"),
}


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Judge everything, in the order in which it is to be mended."""
    findings = [
        *_check_config(facts),
        *_check_user(facts),
        *_check_programs(facts.machine),
        *_check_kvm(facts),
        *_check_iommu(facts.machine),
        *_check_vfio(facts.machine),
        *check_cards(facts),
        *_check_users(facts),
        *_check_udev(facts),
        *_check_bridges(facts),
        *_check_libvirt(facts),
        *_check_helper(facts),
        *_check_state(facts),
        *_check_controller(facts),
        *_check_enrolment(facts),
    ]
    return tuple(findings)


def _check_config(facts: Facts) -> Iterator[Finding]:
    agent = facts.agent
    if agent is None:
        yield warning(
            "config",
            "no configuration was given, so that only the machine is looked at",
            "give it: `trunkline doctor --config /etc/trunkline/compute.toml`",
        )
    elif agent.faults:
        for fault in agent.faults:
            yield missing("config", fault, f"mend {agent.file}")
    elif agent.file_problem:
        yield missing(
            "config",
            f"{agent.file_problem}, or the helper refuses to start",
            agent.file_remedy,
        )
    else:
        yield ok("config", f"{agent.file}, for host {agent.host}")


def _check_user(facts: Facts) -> Iterator[Finding]:
    if facts.agent is None or facts.agent.faults:
        return
    lacking = sorted(_GROUPS - facts.groups)
    if facts.user == "root" or not lacking:
        yield ok("user", f"{facts.user}, in the groups that it needs")
    else:
        yield warning(
            "user",
            f"{facts.user} is not in {' and '.join(lacking)}: libvirt or the helper may not answer",
            f"`usermod -aG {','.join(lacking)} {facts.user}`, then restart trunkline-agent",
        )


def _check_programs(machine: MachineFacts) -> Iterator[Finding]:
    for program in machine.missing_programs:
        what, package = _PROGRAMS[program]
        yield missing(program, f"is not there, and {what} need it", f"`apt install {package}`")


def _check_users(facts: Facts) -> Iterator[Finding]:
    specs = () if facts.agent is None else facts.agent.device_specs
    for device in Offering(specs)(facts.functions):
        if device.on_offer and device.function.used_by:
            found = f"is left alone: {device.function.used_by}"
            yield ok(f"device {device.function.address}", found)
        elif device.on_offer and not device.managed and not_bound_to_vfio(device.function):
            found, fix = not_bound_to_vfio(device.function).split(": ", 1)
            yield missing(
                f"device {device.function.address}", f"is refused to guests: it {found}", fix
            )
        elif device.on_offer and device.managed and _has_vendors_vfio(device.function):
            yield warning(
                f"device {device.function.address}",
                f"is bound to {device.function.driver}, which libvirt replaces by {VFIO_DRIVER} for"
                " a guest, and may not put back",
                f"`managed = false` in its device spec in {_file(facts.agent)}",
            )
        elif device.on_offer and device.function.unfit and device.function.kind is DeviceKind.PLAIN:
            found = f"is refused to guests: it {without_remedy(device.function.unfit)}"
            yield missing(f"device {device.function.address}", found, GROUP_REMEDY)


def _has_vendors_vfio(function: PciFunction) -> bool:
    return is_vfio_driver(function.driver) and function.driver != VFIO_DRIVER


def _check_kvm(facts: Facts) -> Iterator[Finding]:
    machine, agent = facts.machine, facts.agent
    if agent is not None and agent.domain_type == "qemu":
        yield warning(
            "kvm",
            "guests are emulated in software (libvirt.domain_type is qemu), some ten times slower",
            'set libvirt.domain_type = "kvm" where /dev/kvm is there',
        )
    elif machine.has_kvm and machine.kvm_problem:
        yield missing(
            "kvm",
            f"/dev/kvm {machine.kvm_problem}",
            "`dmesg | grep -i kvm` says why; enable virtualization in the firmware",
        )
    elif machine.has_kvm:
        yield ok("kvm", "/dev/kvm is there")
    elif machine.cpu_virtualizes is False:
        yield missing(
            "kvm",
            "the CPU shows no VMX or SVM",
            "enable virtualization (VT-x, SVM) in the firmware; in a virtual machine, have its"
            " host pass it through",
        )
    else:
        yield missing(
            "kvm",
            "/dev/kvm is not there",
            "`modprobe kvm_intel` or `modprobe kvm_amd`, and add it to /etc/modules",
        )


def _check_iommu(machine: MachineFacts) -> Iterator[Finding]:
    firmware, words = _IOMMU_BY_VENDOR.get(machine.cpu_vendor, ("the IOMMU", "iommu=pt"))
    if machine.iommu_group_count:
        units = f", {len(machine.iommus)} units" if machine.iommus else ""
        yield ok("iommu", f"on, {machine.iommu_group_count} groups{units}")
        return
    off = [word for word in machine.command_line if word in _IOMMU_OFF]
    if off:
        yield missing(
            "iommu",
            f"off: the kernel was started with {off[0]}",
            f"replace {off[0]} by {words} {_GRUB}",
        )
    elif machine.iommus:
        yield missing(
            "iommu",
            f"the firmware has {machine.iommus[0]}, the kernel does not use it",
            f"add {words} {_GRUB}",
        )
    elif set(words.split()) <= set(machine.command_line):
        yield missing(
            "iommu",
            "off, though the kernel was told to use it",
            f"enable {firmware} in the firmware setup",
        )
    else:
        yield missing(
            "iommu",
            "off: there are no IOMMU groups",
            f"enable {firmware} in the firmware setup, and add {words} {_GRUB}",
        )


_IOMMU_OFF: Final = frozenset({"intel_iommu=off", "amd_iommu=off", "iommu=off"})


def _check_vfio(machine: MachineFacts) -> Iterator[Finding]:
    match machine.vfio_pci:
        case ModuleState.MISSING:
            yield missing(
                "vfio",
                f"kernel {machine.kernel_release} has no module vfio-pci",
                "boot Debian's own kernel: `apt install linux-image-amd64`",
            )
        case ModuleState.AVAILABLE:
            yield ok("vfio", "vfio-pci is there; libvirt loads it when it is needed")
        case ModuleState.LOADED:
            yield ok("vfio", "vfio-pci is loaded")


def _check_udev(facts: Facts) -> Iterator[Finding]:
    if not facts.udev_rules:
        yield ok("udev", "no rule of this host names netdevs or makes VFs")
    for file in facts.udev_rules:
        yield warning(
            "udev",
            f"{file} names netdevs or writes sriov_numvfs: VFs that it makes anew lose their"
            " settings, and a name that it gives may be one that a port's device is to have",
            f"take these lines out of {file} (`trunkline pf set-vfs` keeps VF counts), then"
            " `udevadm control --reload`",
        )


def _check_bridges(facts: Facts) -> Iterator[Finding]:
    agent = facts.agent
    for network, fault in sorted((agent.bridge_faults if agent else {}).items()):
        problem, _, fix = fault.rpartition(": " if ": `" in fault else "; ")
        yield missing(f"bridge of {network}", problem, f"{fix}, in {_file(agent)}")
    for network, bridge in sorted((agent.bridges if agent else {}).items()):
        check = f"bridge {bridge}"
        if bridge in facts.bridges:
            problems = list(_bridge_problems(check, bridge, facts.bridges[bridge]))
            yield from problems or [ok(check, f"is there, for normal ports on {network}")]
        elif bridge in facts.netdevs:
            yield missing(
                check,
                f"is no bridge, and normal ports on {network} need one",
                f"name a bridge in bridges.{network} of {_file(agent)}",
            )
        else:
            yield missing(
                check,
                f"is not there, and normal ports on {network} need it",
                f"`ip link add {bridge} type bridge vlan_filtering 1`, and make it last:"
                " /etc/network/interfaces or /etc/systemd/network",
            )


def _bridge_problems(check: str, name: str, found: BridgeFacts) -> Iterator[Finding]:
    if not found.uplinks:
        yield warning(
            check,
            "has no uplink: servers on it reach each other alone",
            f"`ip link set NETDEV master {name}`, and make it last",
        )
    if not found.vlan_filtering:
        yield warning(
            check,
            "does not keep VLANs apart: ports on VLAN networks are refused",
            f"`ip link set {name} type bridge vlan_filtering 1`, and make it last",
        )


def _check_libvirt(facts: Facts) -> Iterator[Finding]:
    found = facts.libvirt
    if found is None:
        return
    if found.problem:
        yield missing("libvirt", f"{found.uri}: {found.problem}", found.fix)
        return
    version = _version(found.version)
    if found.version < LIBVIRT_VERSION_MIN:
        oldest = _version(LIBVIRT_VERSION_MIN)
        yield missing(
            "libvirt", f"{version} is older than {oldest}", "upgrade the host to Debian 12 or newer"
        )
        return
    wanted = "kvm" if facts.agent is None else facts.agent.domain_type
    if wanted not in found.domain_types:
        known = ", ".join(sorted(found.domain_types)) or "none"
        yield missing(
            "libvirt",
            f"{version} offers no domains of type {wanted} ({known})",
            "`apt install qemu-system-x86`, and see kvm above; then `systemctl restart libvirtd`",
        )
        return
    yield ok("libvirt", f"{version} at {found.uri}, domains of type {wanted}")


def _check_helper(facts: Facts) -> Iterator[Finding]:
    found = facts.helper
    if found is None:
        return
    if found.answers:
        yield ok("helper", f"answers {facts.user} at {found.socket}")
    elif not found.exists:
        yield missing(
            "helper",
            f"{found.socket} is not there: nothing can be written to a card",
            "`systemctl enable --now trunkline-host-helper.socket`",
        )
    else:
        yield missing(
            "helper",
            f"{found.socket} does not answer {facts.user}: {found.problem}",
            "run this as the agent's user (`runuser -u trunkline -- trunkline doctor …`);"
            " for that one too: `usermod -aG trunkline USER`, and look at `journalctl -u"
            " trunkline-host-helper`, which says what it refuses",
        )


def _check_state(facts: Facts) -> Iterator[Finding]:
    agent = facts.agent
    if agent is None or agent.faults:
        return
    if agent.state_dir_problem:
        yield missing(
            "state",
            f"{agent.state_dir}: {agent.state_dir_problem}",
            f"`install -d -m 0750 -o trunkline -g trunkline {agent.state_dir}`",
        )
    else:
        yield ok("state", f"{agent.state_dir} can be written")


def _check_controller(facts: Facts) -> Iterator[Finding]:
    found = facts.controller
    if found is None:
        return
    if found.problem:
        fix = (
            f"set controller.ca_file in {_file(facts.agent)} to the CA of its certificate"
            if found.is_tls_problem
            else f"start `trunkline server` there, or mend controller.url in {_file(facts.agent)}"
            " and the firewalls between"
        )
        yield missing("controller", f"{found.url}: {found.problem}", fix)
        return
    yield ok("controller", f"{found.url} answers")
    ahead = found.clock_ahead_seconds
    if ahead is None:
        return
    if abs(ahead) > CLOCK_SECONDS_MAX:
        how = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the controller's"
        yield warning(
            "clock", f"is {how}", "`apt install chrony` on both, and look at `timedatectl`"
        )
    else:
        yield ok("clock", "agrees with the controller's")


def _check_enrolment(facts: Facts) -> Iterator[Finding]:
    agent = facts.agent
    if agent is None or agent.faults:
        return
    if agent.has_token:
        yield ok("enrolment", f"{agent.host} is enrolled")
    elif agent.enrolment_problem:
        yield missing(
            "enrolment",
            f"{agent.host} is not enrolled, and {agent.enrolment_problem}",
            f"on the controller, `trunkline host enrol-token create --host {agent.host}`;"
            " put what it prints into that file",
        )
    else:
        yield ok("enrolment", f"{agent.host} enrols when its agent first starts")


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _file(agent: AgentFacts | None) -> str:
    return agent.file if agent is not None else "compute.toml"
