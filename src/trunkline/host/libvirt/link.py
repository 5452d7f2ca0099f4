"""The connection to libvirt: opened again when lost, listening, never waited on for ever.

Every call runs in a thread of its own, which is given up when it does not answer in time: libvirt
waits for QEMU's monitor, for locks and for storage without a limit of its own. Keepalive ends a
connection whose daemon hangs as a whole.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, Literal, TypeVar, cast

import libvirt

from trunkline.host.libvirt.event_loop import EventLoop
from trunkline.host.libvirt.refusals import LibvirtFault, refusal, unanswered
from trunkline.reconcile.interfaces import HostNews

T = TypeVar("T")

KEEPALIVE_SECONDS: Final = 5
KEEPALIVE_COUNT: Final = 3  # A daemon that hangs is noticed after some 20 s.
# Calls that have not come back. More would not either, and each keeps a thread and its memory.
# Each kind counts apart: large guests that take their time keep nobody from asking, and what waits
# for all domains keeps nobody from those that answer.
STUCK_MAX: Final = 8
Kind = Literal["prompt", "slow", "listing"]

_loop_lock = threading.Lock()
_loop: EventLoop | None = None


class Link:
    """One libvirt, by its URI. Nothing is opened before the first call.

    `on_news` is called from libvirt's event thread when a domain or a network came, went or changed
    its state, and when the connection was lost; `take_news` then says so.
    """

    def __init__(self, uri: str, *, on_news: Callable[[], None] = lambda: None) -> None:
        self._loop = _run_event_loop()
        self._failures = self._loop.failures  # Of the loop, that were taken for news.
        self._uri = uri
        self._on_news = on_news
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._connection: Any = None
        self._news = HostNews()
        self._stuck: Counter[Kind] = Counter()
        self._told_something = threading.Condition()

    def call(
        self, operation: str, act: Callable[[Any], T], *, seconds: float, kind: Kind = "prompt"
    ) -> T:
        """Return what `act` makes of an open connection.

        Raises:
            HostRefused: libvirt can't be reached, refuses, or does not answer within `seconds`.
                In the last case it may still do what it was asked for.
        """
        with self._lock:
            if self._stuck[kind] >= STUCK_MAX:
                raise unanswered(operation, self._uri, seconds)
            self._stuck[kind] += 1
        call = Call(lambda: self._attempt(operation, act), lambda: self._came_back(kind))
        if not call.came_back.wait(seconds):
            raise unanswered(operation, self._uri, seconds)
        return call.answer()

    @property
    def problem(self) -> str:
        """Why nothing is heard of libvirt, or was just now; empty: it is listened to."""
        return self._loop.problem

    def take_news(self) -> HostNews:
        """Return what libvirt told since last asked."""
        with self._lock:
            news, self._news = self._news, HostNews()
            if self._failures != self._loop.failures:
                self._failures = self._loop.failures
                news |= HostNews(domains=True)  # Events may have been lost.
            return news

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(libvirt.libvirtError):
                connection.close()

    def _attempt(self, operation: str, act: Callable[[Any], T]) -> T:
        connection = None
        try:
            connection = self._open()
            return act(connection)
        except libvirt.libvirtError as problem:
            lost = connection is not None and not _is_alive(connection)
            if lost:
                self._forget(connection)
            raise refusal(operation, _fault(problem), uri=self._uri, lost=lost) from problem

    def _open(self) -> Any:
        with self._opening:
            with self._lock:
                connection = self._connection
            if connection is not None and _is_alive(connection):
                return connection
            connection = libvirt.open(self._uri)
            with suppress(libvirt.libvirtError):  # test:// and embedded drivers have no daemon.
                connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            connection.registerCloseCallback(self._closed, None)
            lifecycle = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
            connection.domainEventRegisterAny(None, lifecycle, self._told, None)
            removed = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
            connection.domainEventRegisterAny(None, removed, self._told, None)
            with suppress(libvirt.libvirtError):  # A libvirt without its network driver.
                connection.networkEventRegisterAny(
                    None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, self._told, None
                )
            with self._lock:
                self._connection = connection
            return connection

    def _closed(self, connection: Any, _reason: int, _opaque: object) -> None:
        self._forget(connection)
        self._tell()

    def _told(self, _connection: Any, _domain: Any, *_event: object) -> None:
        self._tell()

    def await_news(self, seconds: float) -> None:
        """Wait until libvirt tells something, or for so long."""
        with self._told_something:
            self._told_something.wait(seconds)

    def _tell(self) -> None:
        with self._lock:
            self._news |= HostNews(domains=True)
        with self._told_something:
            self._told_something.notify_all()
        self._on_news()

    def _forget(self, connection: Any) -> None:
        with self._lock:
            if self._connection is connection:
                self._connection = None

    def _came_back(self, kind: Kind) -> None:
        with self._lock:
            self._stuck[kind] -= 1


class Call(Generic[T]):
    """One call in a thread of its own, and how it ended."""

    def __init__(
        self, act: Callable[[], T], came_back: Callable[[], None], *, name: str = "libvirt-call"
    ) -> None:
        """Begin; `came_back` is called from the thread just before `self.came_back` is set."""
        self.came_back = threading.Event()
        self._act = act
        self._note = came_back
        self._result: T | None = None
        self._problem: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def answer(self) -> T:
        """Return what came of it, or raise that, once it has come back."""
        if self._problem is not None:
            raise self._problem
        return cast("T", self._result)

    def _run(self) -> None:
        try:
            self._result = self._act()
        except BaseException as problem:  # noqa: BLE001 - whoever asked raises it
            self._problem = problem
        finally:
            self._note()
            self.came_back.set()


def _run_event_loop() -> EventLoop:
    """Start libvirt's event loop, once a process and before the first connection.

    Source: libvirt.org/html/libvirt-libvirt-event.html, virEventRegisterDefaultImpl().
    """
    global _loop
    with _loop_lock:
        if _loop is None:
            libvirt.registerErrorHandler(lambda *_: None, None)  # It prints what it also raises.
            libvirt.virEventRegisterDefaultImpl()
            _loop = EventLoop(libvirt.virEventRunDefaultImpl)
            _loop.start()
        return _loop


def _is_alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _fault(problem: Any) -> LibvirtFault:
    return LibvirtFault(
        code=problem.get_error_code() or 0,
        message=problem.get_error_message() or str(problem),
        errno=problem.get_int1() or 0,
    )
