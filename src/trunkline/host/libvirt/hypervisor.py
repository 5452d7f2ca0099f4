"""LibvirtHypervisor: `reconcile.interfaces.Hypervisor` and `HostWatch` on a real libvirt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Self

import libvirt

from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.host.libvirt.link import Kind, Link
from trunkline.host.libvirt.listing import list_domains
from trunkline.host.libvirt.look import Look
from trunkline.host.libvirt.nics import UNPLUG_SECONDS, plug, unplug
from trunkline.host.libvirt.reading import (
    UnreadableDomain,
    read_domain,
    read_network,
    read_other,
)
from trunkline.host.libvirt.under_way import UnderWay
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic
from trunkline.reconcile.observed import DomainState, Guests, NetworkState

PROMPT_SECONDS: Final = 30.0  # libvirt's own limit for a lock that another job holds.
# vfio pins all of a guest's memory before it starts, and destroy waits for QEMU to give it back:
# minutes for the largest guests.
SLOW_SECONDS: Final = 180.0
# How long the agent's rounds stand still for a listing. It takes some milliseconds, but waits for
# each domain, and while a large guest starts libvirt does not answer for that one.
LOOK_SECONDS: Final = 2.0
# Starts and ends at a time; libvirtd's own workers, 20 at most, are there for others too.
SLOW_AT_ONCE: Final = 4


class LibvirtHypervisor:
    """Domains of one libvirt. Satisfies `Hypervisor` and `HostWatch`; see there.

    libvirtd may be restarted at any time: calls meanwhile are refused as transient, guests go on,
    and `on_news` is called when it went, so that the agent looks again. `delete_files` deletes the
    files of a server (`LibvirtStorage.delete`); `read_console` reads what libvirt has written of a
    console (`Privileged.read_console`).
    """

    def __init__(
        self,
        uri: str,
        *,
        delete_files: Callable[[ServerId], None],
        read_console: Callable[[ServerId], bytes],
        on_news: Callable[[], None] = lambda: None,
        prompt_seconds: float = PROMPT_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        unplug_seconds: float = UNPLUG_SECONDS,
    ) -> None:
        self._link = Link(uri, on_news=on_news)
        self._under_way = UnderWay("guests", at_once=SLOW_AT_ONCE, on_news=on_news)
        self._guests = Look(self._list_guests, seconds=look_seconds, on_news=on_news)
        self._delete_files = delete_files
        self._read_console = read_console
        self._prompt_seconds = prompt_seconds
        self._slow_seconds = slow_seconds
        self._unplug_seconds = unplug_seconds
        self._coming: dict[ServerId, PciAddress] = {}  # Of NICs that are being plugged, or were.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    @property
    def problem(self) -> str:
        """See `HostWatch.problem`."""
        return self._link.problem

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        has_news = self._under_way.take_news() | self._guests.take_news()
        return self._link.take_news() | HostNews(domains=has_news)

    # Reading

    def guests(self) -> Guests:
        """See `Hypervisor.guests`."""
        return self._guests.result()

    def _list_guests(self) -> Guests:
        # Asked first: what ends meanwhile passes for not ended, and is news.
        doing = self._under_way.doing()
        operation = "virsh list --all"
        found = self._link.call(
            operation,
            lambda it: list(list_domains(it)),
            seconds=self._slow_seconds,  # It waits for a guest that starts, as long as that takes.
            kind="listing",
        )
        states, others = {}, []
        for each in found:
            server_id = ServerId(each.uuid)
            try:
                state = read_domain(
                    each.xml,
                    each.power,
                    doing=doing.get(server_id, each.doing),
                    paused_by=each.paused_by,
                )
            except UnreadableDomain as problem:
                raise HostRefused(
                    f"virsh dumpxml {each.name}",
                    f"{problem}; mend it with `virsh edit {each.name}`",
                ) from problem
            if state is not None:
                states[state.server_id] = self._with_coming(state, doing)
            elif (other := read_other(each.xml, each.power)) is not None:
                others.append(other)
        return Guests(domains=states, others=tuple(sorted(others, key=lambda it: it.name)))

    def _with_coming(self, state: DomainState, doing: Mapping[ServerId, str]) -> DomainState:
        coming = self._coming.get(state.server_id)
        if coming is None or state.server_id not in doing:
            return state
        return replace(state, coming=frozenset({coming}))

    def console(self, server_id: ServerId) -> bytes:
        """See `Hypervisor.console`."""
        return self._read_console(server_id)

    # Writing

    def define(self, xml: str) -> None:
        """See `Hypervisor.define`. What libvirt's schema does not know is refused, not ignored."""
        flags = libvirt.VIR_DOMAIN_DEFINE_VALIDATE

        def act(connection: Any) -> str:
            uuid: str = connection.defineXMLFlags(xml, flags).UUIDString()
            return uuid

        uuid = self._link.call("virsh define", act, seconds=self._prompt_seconds)
        self._under_way.forget(ServerId(uuid))

    def start_paused(self, server_id: ServerId) -> None:
        """See `Hypervisor.start_paused`."""
        flags = libvirt.VIR_DOMAIN_START_PAUSED
        self._begin(
            f"virsh start --paused {server_id}",
            server_id,
            lambda it: it.createWithFlags(flags),
            fits=lambda is_active: "domain is already running" if is_active else "",
            doing="its guest is being started",
        )

    def resume(self, server_id: ServerId) -> None:
        """See `Hypervisor.resume`."""
        self._change(f"virsh resume {server_id}", server_id, lambda it: it.resume())

    def suspend(self, server_id: ServerId) -> None:
        """See `Hypervisor.suspend`."""
        self._change(f"virsh suspend {server_id}", server_id, lambda it: it.suspend())

    def plug(self, step: PlugNic) -> None:
        """See `Hypervisor.plug`."""
        if step.device is not None:
            self._coming[step.server_id] = step.device
        self._begin(
            str(step),
            step.server_id,
            lambda it: plug(it, step),
            fits=_needs_guest,
            doing="its guest is given a NIC",
        )

    def unplug(self, step: UnplugNic) -> None:
        """See `Hypervisor.unplug`."""
        self._begin(
            str(step),
            step.server_id,
            lambda it: unplug(it, step, self._link, seconds=self._unplug_seconds),
            fits=_needs_guest,
            doing="its guest is to let go of a NIC",
        )

    def destroy(self, server_id: ServerId) -> None:
        """See `Hypervisor.destroy`."""
        self._begin(
            f"virsh destroy {server_id}",
            server_id,
            lambda it: it.destroy(),
            fits=_needs_guest,
            doing="its guest is being ended",
        )

    def undefine(self, server_id: ServerId) -> None:
        """See `Hypervisor.undefine`.

        Its files go first: as long as there is the domain, a crash in between is made good.
        """
        flags = (
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )
        operation = f"virsh undefine {server_id} --remove-all-storage"

        def act(domain: Any) -> None:
            if domain.isActive():
                raise HostRefused(operation, "domain is running; stop it first")
            self._delete_files(server_id)
            domain.undefineFlags(flags)

        self._change(f"virsh undefine {server_id}", server_id, act)

    # Networks

    def networks(self) -> Mapping[str, NetworkState]:
        """See `Hypervisor.networks`."""
        found = self._link.call("virsh net-list --all", list_networks, seconds=self._prompt_seconds)
        states = {}
        for name, live, defined, autostarts in found:
            try:
                states[name] = read_network(live, defined, autostarts=autostarts)
            except UnreadableDomain as problem:
                raise HostRefused(
                    f"virsh net-dumpxml {name}", f"{problem}; mend it with `virsh net-edit {name}`"
                ) from problem
        return states

    def define_network(self, xml: str) -> None:
        """See `Hypervisor.define_network`."""
        flags = libvirt.VIR_NETWORK_DEFINE_VALIDATE

        def act(connection: Any) -> None:
            connection.networkDefineXMLFlags(xml, flags).setAutostart(1)

        self._link.call("virsh net-define", act, seconds=self._prompt_seconds)

    def start_network(self, name: str) -> None:
        """See `Hypervisor.start_network`."""
        self._change_network("virsh net-start", name, lambda it: it.create())

    def destroy_network(self, name: str) -> None:
        """See `Hypervisor.destroy_network`."""
        self._change_network("virsh net-destroy", name, lambda it: it.destroy())

    def undefine_network(self, name: str) -> None:
        """See `Hypervisor.undefine_network`."""
        self._change_network("virsh net-undefine", name, lambda it: it.undefine())

    def _change_network(self, command: str, name: str, act: Callable[[Any], object]) -> None:
        def find_and_act(connection: Any) -> None:
            act(connection.networkLookupByName(name))

        self._link.call(f"{command} {name}", find_and_act, seconds=self._prompt_seconds)

    def _change(self, operation: str, server_id: ServerId, act: Callable[[Any], object]) -> None:
        self._under_way.raise_failure(server_id, operation)
        self._call(operation, server_id, act, self._prompt_seconds)

    def _begin(
        self,
        operation: str,
        server_id: ServerId,
        act: Callable[[Any], object],
        *,
        fits: Callable[[bool], str],
        doing: str,
    ) -> None:
        """Begin what takes its time; `fits` says why it does not fit a domain's activity."""

        def check(domain: Any) -> None:
            problem = fits(bool(domain.isActive()))
            if problem:
                raise HostRefused(operation, problem)

        self._under_way.raise_failure(server_id, operation)
        self._call(operation, server_id, check, self._prompt_seconds)
        self._under_way.begin(
            server_id,
            operation,
            lambda: self._call(operation, server_id, act, self._slow_seconds, kind="slow"),
            doing=doing,
        )

    def _call(
        self,
        operation: str,
        server_id: ServerId,
        act: Callable[[Any], object],
        seconds: float,
        *,
        kind: Kind = "prompt",
    ) -> None:
        def find_and_act(connection: Any) -> None:
            act(connection.lookupByUUIDString(server_id))

        self._link.call(operation, find_and_act, seconds=seconds, kind=kind)


def _needs_guest(is_active: bool) -> str:  # noqa: FBT001 - what `fits` is given
    return "" if is_active else "domain is not running"


def list_networks(connection: Any) -> list[tuple[str, str, str | None, bool]]:
    """Return name, XML, XML from the next start on if it is active, and whether it autostarts."""
    found = []
    try:
        networks = connection.listAllNetworks(0)
    except libvirt.libvirtError as problem:
        # A libvirt without its network driver has none.
        if problem.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise
    for network in networks:
        try:
            later = None
            if network.isActive():
                inactive = libvirt.VIR_NETWORK_XML_INACTIVE if network.isPersistent() else 0
                later = network.XMLDesc(inactive)
            found.append((network.name(), network.XMLDesc(0), later, bool(network.autostart())))
        except libvirt.libvirtError as problem:
            # It went between one call and the next.
            if problem.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:
                raise
    return found
