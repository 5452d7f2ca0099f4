"""LinuxWatch: what the kernel tells by itself about PFs and VFs, gathered in one thread."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trunkline.domain.pci import PciAddress
from trunkline.host.linux import netlink, sysfs
from trunkline.host.linux.addresses import RTM_DELADDR, RTM_NEWADDR, parse_address
from trunkline.host.linux.bridge_messages import is_about_a_port, parse_bridge
from trunkline.host.linux.link_messages import RTM_DELLINK, RTM_NEWLINK, parse_link
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.uevents import Uevent, open_uevents, parse_uevent, receive
from trunkline.reconcile.interfaces import HostNews

# Links, and addresses of IPv4 and IPv6. Source: Linux include/uapi/linux/rtnetlink.h.
_RTMGRPS: Final = 0x1 | 0x10 | 0x100
_LINK_BYTES_MAX: Final = 1 << 16
# Room for some thousand events: a start of hundreds of guests in a moment.
_RECEIVE_BUFFER_BYTES: Final = 1 << 22
_EVERYTHING: Final = HostNews(everything=True)
_NOTHING: Final = HostNews()


class LinuxWatch:
    """Satisfies `reconcile.interfaces.HostWatch`; listens from its construction until `close`.

    The kernel tells of a VF's settings only through a change of its PF, and only while the PF is
    up. Source: Linux net/core/rtnetlink.c, do_setlink(); net/core/dev.c, netdev_state_change().
    """

    def __init__(self, *, on_news: Callable[[], None], sysfs_root: Path = Path("/sys")) -> None:
        self._on_news = on_news
        self._devices = str(sysfs_root / sysfs.DEVICES)
        self._netdevs = str(sysfs_root / "class/net")
        self._lock = threading.Lock()
        self._news = HostNews()
        self._links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._uevents = open_uevents()
        self._stop_reader, self._stop_writer = os.pipe()
        for channel in (self._links, self._uevents):
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            channel.setblocking(False)  # noqa: FBT003
        self._links.bind((0, _RTMGRPS))
        self._thread = threading.Thread(target=self._listen, name="kernel-events", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        os.close(self._stop_writer)
        self._thread.join()
        os.close(self._stop_reader)
        self._links.close()
        self._uevents.close()

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        with self._lock:
            news, self._news = self._news, HostNews()
        return news

    def _listen(self) -> None:
        poller = select.poll()
        for descriptor in (self._links.fileno(), self._uevents.fileno(), self._stop_reader):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self._stop_reader in ready:
                return
            news = self._take_links() | self._take_uevents()
            if news.is_empty:
                continue
            with self._lock:
                self._news |= news
            self._on_news()

    def _take_links(self) -> HostNews:
        news = HostNews()
        while True:
            try:
                datagram, sender = self._links.recvfrom(_LINK_BYTES_MAX)
            except BlockingIOError:
                return news
            except OSError as problem:
                news |= _lost(problem)
                continue
            if sender[0] == 0:
                news |= self._from_links(datagram)

    def _take_uevents(self) -> HostNews:
        news = HostNews()
        while True:
            try:
                datagram = receive(self._uevents)
            except BlockingIOError:
                return news
            except OSError as problem:
                news |= _lost(problem)
                continue
            event = None if datagram is None else parse_uevent(datagram)
            if event is not None:
                news |= self._from_uevent(event)

    def _from_links(self, datagram: bytes) -> HostNews:
        news = HostNews()
        try:
            for message in netlink.messages(datagram):
                if message.type in (RTM_NEWADDR, RTM_DELADDR):
                    news |= self._from_address(message.payload)
                elif message.type not in (RTM_NEWLINK, RTM_DELLINK):
                    continue
                elif is_about_a_port(message.payload) or parse_bridge(message.payload) is not None:
                    news |= HostNews(bridges=True)
                else:
                    parent = parse_link(message.payload).parent
                    news |= _NOTHING if parent is None else self._about(parent)
        except Malformed:
            return _EVERYTHING
        return news

    def _from_address(self, message: memoryview) -> HostNews:
        """An address that comes or goes says who uses the netdev."""
        found = parse_address(message)
        try:
            ifname = None if found is None else socket.if_indextoname(found[0])
        except OSError:
            return _NOTHING  # It has gone, which is told by itself.
        function = sysfs.find_link_name(f"{self._netdevs}/{ifname}/device")
        return _NOTHING if ifname is None or function is None else self._about(function)

    def _from_uevent(self, event: Uevent) -> HostNews:
        function = event.function
        if function is None:
            return _NOTHING
        if event.subsystem == "pci" and event.action in ("add", "remove"):
            return _EVERYTHING
        return self._about(function)

    def _about(self, function: str) -> HostNews:
        """News of a function: of the PF, which is itself or the one that it is a VF of."""
        device = f"{self._devices}/{function}"
        try:
            pf = sysfs.find_link_name(f"{device}/physfn") or function
            return HostNews(pfs=frozenset({PciAddress.parse(pf)}))
        except (OSError, ValueError):
            return _EVERYTHING


def _lost(problem: OSError) -> HostNews:
    """What to make of a receive that failed; ENOBUFS: the kernel had no room, events are lost."""
    if problem.errno in (errno.ENOBUFS, errno.EINTR):
        return _EVERYTHING
    raise problem
