"""Asking libvirt and the privileged helper whether they answer."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from trunkline.host.doctor.facts import HelperFacts, LibvirtFacts
from trunkline.reconcile.observed import DomainPower, DomainState, OtherDomain

_CONNECT_SECONDS_MAX: Final = 2.0  # A local socket answers at once, or somebody is stuck.
EXTRA_FIX: Final = (
    "`apt install libvirt-dev pkg-config gcc python3-dev`, then `pip install 'trunkline[host]'` in"
    " the same environment"
)


def ask_libvirt(uri: str) -> LibvirtFacts:
    """Connect as the agent would, and ask for its version and its types of domains."""
    try:
        import libvirt
    except ImportError as problem:
        return LibvirtFacts(
            uri=uri, problem=f"the package libvirt-python is missing ({problem})", fix=EXTRA_FIX
        )
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # It prints otherwise.
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as problem:
        return LibvirtFacts(
            uri=uri,
            problem=problem.get_error_message() or str(problem),
            fix="`apt install libvirt-daemon-system qemu-system-x86 && systemctl enable --now"
            " libvirtd`; for its rights, `usermod -aG libvirt trunkline`",
        )
    try:
        ours, others = _domains(connection)
        return LibvirtFacts(
            uri=uri,
            version=connection.getLibVersion(),
            hypervisor_version=connection.getVersion(),
            domain_types=frozenset(
                type_ for type_ in ("kvm", "qemu") if _offers(connection, type_)
            ),
            ours=ours,
            others=others,
        )
    finally:
        connection.close()


def _domains(connection: Any) -> tuple[tuple[DomainState, ...], tuple[OtherDomain, ...]]:
    """Read which devices domains have, ours and others'; what can't be read, the agent tells."""
    import libvirt

    from trunkline.host.libvirt.reading import UnreadableDomain, read_domain, read_other

    ours, others = [], []
    for domain in connection.listAllDomains(0):
        with suppress(libvirt.libvirtError, UnreadableDomain):
            power = DomainPower.RUNNING if domain.isActive() else DomainPower.SHUT_OFF
            xml = domain.XMLDesc(0)
            ours.append(read_domain(xml, power))
            others.append(read_other(xml, power))
    return tuple(filter(None, ours)), tuple(filter(None, others))


def _offers(connection: object, domain_type: str) -> bool:
    import libvirt

    assert isinstance(connection, libvirt.virConnect)
    try:
        connection.getDomainCapabilities(None, None, None, domain_type)
    except libvirt.libvirtError:
        return False
    return True


def ask_helper(path: Path) -> HelperFacts:
    """Connect to the helper's socket, and close it again."""
    try:
        exists = path.is_socket()
    except OSError:
        exists = False
    if not exists:
        return HelperFacts(socket=str(path), exists=False, answers=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_CONNECT_SECONDS_MAX)
        try:
            asking.connect(str(path))
        except OSError as problem:
            said = problem.strerror or str(problem)
            return HelperFacts(socket=str(path), exists=True, answers=False, problem=said.lower())
    return HelperFacts(socket=str(path), exists=True, answers=True)
