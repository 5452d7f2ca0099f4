"""LinuxWatch: what the kernel tells by itself about PFs and VFs, gathered in one thread."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from trunkline.domain.pci import PciAddress
from trunkline.host.linux import netlink, sysfs
from trunkline.host.linux.addresses import RTM_DELADDR, RTM_NEWADDR, parse_address
from trunkline.host.linux.bridge_messages import is_about_a_port, parse_bridge
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.health import HealthChannel, open_health
from trunkline.host.linux.link_messages import RTM_DELLINK, RTM_NEWLINK, parse_link
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.uevents import Uevent, open_uevents, parse_uevent, receive
from trunkline.reconcile.interfaces import HostNews

_log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1
_PAUSE_SECONDS_MAX: Final = 60
# devlink tells of no reporter that goes by itself, as with a reload of its device.
HEALTH_SECONDS: Final = 60
_STEADY_PAUSES: Final = 10  # Who has listened for so long after a failure hears again.
# Links, and addresses of IPv4 and IPv6. Source: Linux include/uapi/linux/rtnetlink.h.
_RTMGRPS: Final = 0x1 | 0x10 | 0x100
_LINK_BYTES_MAX: Final = 1 << 16
# Room for some thousand events: a start of hundreds of guests in a moment.
_RECEIVE_BUFFER_BYTES: Final = 1 << 22
_EVERYTHING: Final = HostNews(everything=True)
_NOTHING: Final = HostNews()


class _Channels:
    """The sockets that are listened to, open until `close`."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            self.links = stack.enter_context(
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            )
            self.uevents = stack.enter_context(open_uevents())
            for channel in (self.links, self.uevents):
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
                channel.setblocking(False)  # noqa: FBT003
            self.links.bind((0, _RTMGRPS))
            self.health = open_health()
            if self.health is not None:
                stack.enter_context(self.health.socket)
            self.close = stack.pop_all().close

    @property
    def descriptors(self) -> list[int]:
        """What to wait on."""
        sockets = [self.links, self.uevents, *([self.health.socket] if self.health else [])]
        return [each.fileno() for each in sockets]


class LinuxWatch:
    """Satisfies `reconcile.interfaces.HostWatch`; listens from its construction until `close`.

    The kernel tells of a VF's settings only through a change of its PF, and only while the PF is
    up. Source: Linux net/core/rtnetlink.c, do_setlink(); net/core/dev.c, netdev_state_change().

    Whatever ends its thread's listening is told as its `problem`, and the listening begun anew.
    """

    def __init__(
        self,
        *,
        on_news: Callable[[], None],
        sysfs_root: Path = Path("/sys"),
        faults: CardFaults | None = None,
        pause_seconds: float = PAUSE_SECONDS,
        health_seconds: float = HEALTH_SECONDS,
    ) -> None:
        """Begin to listen.

        Args:
            on_news: Called, from the thread that listens, when there is news.
            sysfs_root: Where sysfs is mounted.
            faults: Who is told of what befalls cards; None: nobody.
            pause_seconds: How long it waits before it listens again after a failure; with each
                that follows at once, twice as long.
            health_seconds: How often it asks for all that devlink's health reporters say.
        """
        self._on_news = on_news
        self._devices = str(sysfs_root / sysfs.DEVICES)
        self._netdevs = str(sysfs_root / "class/net")
        self._faults = faults or CardFaults(sysfs_root)
        self._pause_seconds = pause_seconds
        self._health_seconds = health_seconds
        self._lock = threading.Lock()
        self._news = HostNews()
        self._problem = ""
        self._channels: _Channels | None = None
        try:
            self._channels = _Channels()
        except (OSError, Malformed) as problem:
            self._note_failure(problem)
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="kernel-events", daemon=True)
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
        self._close_channels()

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        with self._lock:
            news, self._news = self._news, HostNews()
        return news

    @property
    def problem(self) -> str:
        """See `HostWatch.problem`."""
        return self._problem

    def _run(self) -> None:
        pause = self._pause_seconds
        while True:
            try:
                if self._channels is None:
                    self._channels = _Channels()
                    # What happened meanwhile was heard by nobody.
                    self._faults.forget_recovering()
                    self._tell(_EVERYTHING)
                if self._listen(
                    self._channels, steady_seconds=_STEADY_PAUSES * self._pause_seconds
                ):
                    return
                pause = self._pause_seconds
                self._problem = ""
            except Exception as problem:  # noqa: BLE001  # whatever it is, it is told
                self._note_failure(problem)
                self._close_channels()
                if self._is_stopped_within(pause):
                    return
                pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    def _listen(self, channels: _Channels, *, steady_seconds: float) -> bool:
        """Listen until `close`, and say so; or, after a problem, until it has gone well."""
        poller = select.poll()
        for descriptor in (*channels.descriptors, self._stop_reader):
            poller.register(descriptor, select.POLLIN)
        now = time.monotonic()
        end, health_due = now + steady_seconds, now + self._health_seconds
        while not self._problem or now < end:
            seconds = max(0, health_due - now)
            if self._problem:
                seconds = min(seconds, steady_seconds)
            ready = {fd for fd, _ in poller.poll(seconds * 1000)}
            if self._stop_reader in ready:
                return True
            now = time.monotonic()
            if now >= health_due:
                health_due = now + self._health_seconds
                if channels.health is not None:
                    channels.health.ask_for_all()
            news = self._take_links(channels.links) | self._take_uevents(channels.uevents)
            if channels.health is not None:
                news |= self._take_health(channels.health)
            if not news.is_empty:
                self._tell(news)
        return False

    def _note_failure(self, problem: Exception) -> None:
        told = f"the kernel's events are not heard: {problem!r}"
        if told != self._problem:
            _log.error("the kernel's events are not heard", exc_info=problem)
        self._problem = told

    def _is_stopped_within(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._stop_reader, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def _close_channels(self) -> None:
        if self._channels is not None:
            self._channels.close()
            self._channels = None

    def _tell(self, news: HostNews) -> None:
        with self._lock:
            self._news |= news
        self._on_news()

    def _take_links(self, links: socket.socket) -> HostNews:
        news = HostNews()
        while True:
            try:
                datagram, sender = links.recvfrom(_LINK_BYTES_MAX)
            except BlockingIOError:
                return news
            except OSError as problem:
                news |= _lost(problem)
                continue
            if sender[0] == 0:
                news |= self._from_links(datagram)

    def _take_uevents(self, uevents: socket.socket) -> HostNews:
        news = HostNews()
        while True:
            try:
                datagram = receive(uevents)
            except BlockingIOError:
                return news
            except OSError as problem:
                news |= _lost(problem)
                self._faults.forget_recovering()
                continue
            event = None if datagram is None else parse_uevent(datagram)
            if event is not None:
                news |= self._from_uevent(event)

    def _take_health(self, health: HealthChannel) -> HostNews:
        news = HostNews()
        while True:
            try:
                for event in health.receive():
                    for function in self._faults.note_health(event):
                        news |= self._about(function)
            except BlockingIOError:
                return news
            except Malformed as problem:
                _log.warning("devlink's news unreadable, passed over", problem=str(problem))
            except OSError as problem:
                news |= _lost(problem)
                health.ask_for_all()

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
        self._faults.note_uevent(event)
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
