"""Asking libvirt and the privileged helper whether they answer."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from trunkline.domain.ids import ServerId
from trunkline.host.doctor.facts import HelperFacts, LibvirtFacts
from trunkline.host.privileged.requests import (
    ANSWER_BYTES_MAX,
    BadMessage,
    NoMessage,
    ReadConsole,
    parse_answer,
    receive,
    send,
)
from trunkline.reconcile.observed import DomainState, NetworkState, OtherDomain
from trunkline.wire import json

# systemd may have to start it first, and it may be at a request that takes its time.
_HELPER_SECONDS_MAX: Final = 10.0
_NOBODY: Final = ServerId("00000000-0000-0000-0000-000000000000")
# libvirt answers at once too, but after a boot it may first be started by its socket.
_LIBVIRT_SECONDS_MAX: Final = 20.0
EXTRA_FIX: Final = (
    "`apt install libvirt-dev pkg-config gcc python3-dev`, then `pip install 'trunkline[host]'` in"
    " the same environment"
)


def ask_libvirt(uri: str, *, seconds: float = _LIBVIRT_SECONDS_MAX) -> LibvirtFacts:
    """Connect as the agent would, and ask for its version and its types of domains."""
    return _within(seconds, uri, lambda: _ask_libvirt(uri))


def ask_for_domains(facts: LibvirtFacts, *, seconds: float = _LIBVIRT_SECONDS_MAX) -> LibvirtFacts:
    """Add to what libvirt answered which devices domains have, ours and others'."""
    if facts.problem:
        return facts
    return _within(seconds, facts.uri, lambda: _ask_for_domains(facts))


def _within(seconds: float, uri: str, ask: Callable[[], LibvirtFacts]) -> LibvirtFacts:
    """Return what libvirt answers; it waits for locks and for QEMU without a limit of its own."""
    answers = queue.SimpleQueue[LibvirtFacts | Exception]()

    def run() -> None:
        try:
            answers.put(ask())
        except Exception as problem:  # noqa: BLE001 - whoever asked raises it
            answers.put(problem)

    threading.Thread(target=run, name="ask-libvirt", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        return LibvirtFacts(
            uri=uri,
            problem=f"it did not answer within {seconds:g} s",
            fix="see `journalctl -u libvirtd`, and `systemctl restart libvirtd` if it hangs"
            " (guests go on running)",
        )
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ask_libvirt(uri: str) -> LibvirtFacts:
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
        return LibvirtFacts(
            uri=uri,
            version=connection.getLibVersion(),
            hypervisor_version=connection.getVersion(),
            domain_types=frozenset(
                type_ for type_ in ("kvm", "qemu") if _offers(connection, type_)
            ),
        )
    except libvirt.libvirtError as problem:
        return _broken(LibvirtFacts(uri=uri), "tell its version", problem)
    finally:
        connection.close()


def _ask_for_domains(facts: LibvirtFacts) -> LibvirtFacts:
    import libvirt

    try:
        connection = libvirt.open(facts.uri)
        try:
            ours, others = _domains(connection)
            networks = _networks(connection)
        finally:
            connection.close()
    except libvirt.libvirtError as problem:
        return _broken(facts, "tell of its domains", problem)
    return replace(facts, ours=ours, others=others, networks=networks)


def _broken(facts: LibvirtFacts, asked: str, problem: Any) -> LibvirtFacts:
    said = problem.get_error_message() or str(problem)
    return replace(
        facts,
        problem=f"it does not {asked}: {said}",
        fix="see `journalctl -u libvirtd`, and `systemctl restart libvirtd` (guests go on running)",
    )


def _domains(connection: Any) -> tuple[tuple[DomainState, ...], tuple[OtherDomain, ...]]:
    """Read which devices domains have, ours and others'; what can't be read, the agent tells."""
    from trunkline.host.libvirt.listing import list_domains
    from trunkline.host.libvirt.reading import UnreadableDomain, read_domain, read_other

    ours, others = [], []
    for each in list_domains(connection):
        try:
            ours.append(read_domain(each.xml, each.power))
            others.append(read_other(each.xml, each.power))
        except UnreadableDomain:
            continue
    return tuple(filter(None, ours)), tuple(filter(None, others))


def _networks(connection: Any) -> dict[str, NetworkState]:
    """Read libvirt's networks; what can't be read, the agent tells."""
    from trunkline.host.libvirt.hypervisor import list_networks
    from trunkline.host.libvirt.reading import UnreadableDomain, read_network

    found = {}
    for name, live, defined, autostarts in list_networks(connection):
        with suppress(UnreadableDomain):
            found[name] = read_network(live, defined, autostarts=autostarts)
    return found


def _offers(connection: object, domain_type: str) -> bool:
    import libvirt

    assert isinstance(connection, libvirt.virConnect)
    try:
        connection.getDomainCapabilities(None, None, None, domain_type)
    except libvirt.libvirtError:
        return False
    return True


def ask_helper(path: Path, *, seconds: float = _HELPER_SECONDS_MAX) -> HelperFacts:
    """Ask the helper for what changes nothing: the console of a server that nobody has.

    systemd listens for it, and takes connections for one that does not start.
    """
    try:
        exists = path.is_socket()
    except OSError:
        exists = False
    if not exists:
        return HelperFacts(socket=str(path), exists=False, answers=False)
    problem = _problem_of_helper(path, seconds)
    return HelperFacts(socket=str(path), exists=True, answers=not problem, problem=problem)


def _problem_of_helper(path: Path, seconds: float) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect(str(path))
            send(asking, json.encode(ReadConsole(server_id=_NOBODY)))
            parse_answer(receive(asking, ANSWER_BYTES_MAX, seconds=seconds))
        except (NoMessage, ConnectionResetError, BrokenPipeError):
            return "it hangs up on this user"
        except TimeoutError:
            return f"it takes the request, and is silent for {seconds:g} s"
        except BadMessage as problem:
            return f"what it answers is none: {problem}"
        except OSError as problem:
            return (problem.strerror or str(problem)).lower()
    return ""
