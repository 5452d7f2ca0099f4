"""Serving the control plane over HTTP."""

from __future__ import annotations

import gc
import resource
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trunkline.api.app import make_app
from trunkline.api.foreground import Foreground
from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.directory import DataDirectory, Login
from trunkline.bootstrap.http_protocol import CONNECTIONS_MAX, Connections
from trunkline.bootstrap.http_server import Ending, HttpServer
from trunkline.bootstrap.passed_socket import take_passed_socket
from trunkline.bootstrap.tls import ServedCertificate
from trunkline.control.identity import bootstrap_identity, reset_password
from trunkline.control.services import Services
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.identity import DEFAULT_DOMAIN

ADMIN_CLOUD, DEMO_CLOUD = "trunkline", "trunkline-demo"


class AddressTaken(TrunklineError):
    """The service can't listen where it is told to."""

    code = "server.address_taken"
    kind = ErrorKind.CONFLICT

    def __init__(self, address: str, port: int, problem: str) -> None:
        super().__init__(
            f"cannot listen on {address}:{port}: {problem}; choose another port with --port, or "
            "another address"
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket: its port is known before anything answers on it."""

    socket: socket.socket
    url: str


def listen(address: str, port: int, *, certificate: ServedCertificate | None = None) -> Listener:
    """Bind where the service is to answer; port 0 takes any that is free.

    A socket that systemd passes goes before address and port: it is there while the service is not,
    and whoever connects meanwhile waits.

    Raises:
        AddressTaken: Something listens there already, or the address is not this machine's.
    """
    scheme = "http" if certificate is None else "https"
    passed = take_passed_socket()
    if passed is not None and passed.family in (socket.AF_INET, socket.AF_INET6):
        address, port = passed.getsockname()[:2]
        return Listener(passed, f"{scheme}://{_shown(address)}:{port}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: else each
    # answer waits some 40 ms for the client's delayed acknowledgement of its first packet.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as problem:
        bound.close()
        raise AddressTaken(address, port, problem.strerror or str(problem)) from problem
    return Listener(bound, f"{scheme}://{_shown(address)}:{bound.getsockname()[1]}")


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def serve(
    svc: Services,
    wakeups: Wakeups,
    listener: Listener,
    *,
    public_url: str | None = None,
    foreground: Foreground | None = None,
    certificate: ServedCertificate | None = None,
    ending: Ending | None = None,
    trusted_proxies: Sequence[str] = (),
    reloads_on_hangup: bool = False,
    on_ready: Callable[[], None],
) -> None:
    """Answer requests until a signal says to stop; what is under way is finished first."""
    server = HttpServer(
        make_app(svc, wakeups, public_url=public_url, foreground=foreground),
        ending=ending,
        certificate=certificate,
        trusted_proxies=trusted_proxies,
        reloads_on_hangup=reloads_on_hangup,
        connections=Connections(count_max=_connections_max()),
        on_ready=on_ready,
    )
    # The fleet index stays as long as the process: without this each full collection would look
    # at all of its hosts, 0.1 s at ten thousand of them, in the middle of some decision.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener.socket])


def _connections_max() -> int:
    """Take all files that this process may open; return how many can be connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, hard // 2)  # The database and images need some.


def new_logins(
    directory: DataDirectory, svc: Services, url: str, *, ca_file: Path | None = None
) -> list[Login]:
    """Write clouds.yaml for this URL; return what must be shown, because it never is again.

    Whoever is alone with the database has the passwords nowhere but in clouds.yaml. Where that is
    gone (deleted, or a kill came between the commit and the file), there are new ones. A replica
    leaves that be: another one may have the file.
    """
    first = bootstrap_identity(svc)
    if first is not None:
        passwords = first.admin, first.demo
    elif logins := directory.read_logins():
        directory.write_clouds(url, logins, ca_file=ca_file)
        return []
    elif svc.store.dialect != "sqlite":
        return []
    else:
        reset = partial(
            reset_password, svc.store, domain=DEFAULT_DOMAIN, clock=svc.clock, ids=svc.ids,
            passwords=svc.passwords,
        )  # fmt: skip
        passwords = reset("admin")[0], reset("demo")[0]
    logins = [
        Login(ADMIN_CLOUD, "admin", passwords[0], "admin"),
        Login(DEMO_CLOUD, "demo", passwords[1], "demo"),
    ]
    directory.write_clouds(url, logins, ca_file=ca_file)
    return logins
