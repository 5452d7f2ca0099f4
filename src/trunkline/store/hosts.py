"""Hosts: their generations, and what they have given out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from trunkline.domain.errors import AlreadyExists, GenerationMoved, NotFound
from trunkline.domain.host import Host, HostUse
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.store.changes import Changes
from trunkline.store.listing import select_page
from trunkline.store.locks import Lock
from trunkline.store.numa_uses import NumaUses
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among, by_lock
from trunkline.store.tables import hosts

_USE_COLUMNS = ("vcpus_used", "memory_mib_used", "disk_gib_used")

_USES = select(hosts.c.id, *(hosts.c[name] for name in _USE_COLUMNS))
_USES_OF = Prepared(_USES.where(hosts.c.id.in_(bindparam("among", expanding=True))))
_FIELDS = tuple(field.name for field in fields(Host))
_HOSTS = select(*(hosts.c[name] for name in _FIELDS))
_BY_ID = by_lock(_HOSTS.where(hosts.c.id == bindparam("wanted")))
_BY_NAME = by_lock(_HOSTS.where(hosts.c.name == bindparam("wanted")))
_BY_IDS = Prepared(_HOSTS.where(hosts.c.id.in_(bindparam("among", expanding=True))))
_BY_TOKEN_HASH = Prepared(select(hosts.c.name).where(hosts.c.token_hash == bindparam("wanted")))
_THIS = hosts.c.id == bindparam("this_id")
_RAISE = Prepared(
    update(hosts)
    .where(_THIS)
    .values(generation=hosts.c.generation + 1)
    .returning(hosts.c.generation)
)
_RAISE_AS_APPLIED = Prepared(
    update(hosts)
    .where(_THIS)
    .values(
        generation=hosts.c.generation + 1,
        applied_generation=case(
            (hosts.c.applied_generation == hosts.c.generation, hosts.c.generation + 1),
            else_=hosts.c.applied_generation,
        ),
    )
    .returning(hosts.c.generation)
)
_ASK_CONSOLE = Prepared(
    update(hosts)
    .where(_THIS)
    .values(consoles_asked=hosts.c.consoles_asked + 1)
    .returning(hosts.c.consoles_asked)
)
_ADD_USE_OF_THIS = (
    update(hosts)
    .where(_THIS)
    .values(
        vcpus_used=hosts.c.vcpus_used + bindparam("vcpus"),
        memory_mib_used=hosts.c.memory_mib_used + bindparam("memory_mib"),
        disk_gib_used=hosts.c.disk_gib_used + bindparam("disk_gib"),
    )
)
_ADD_USE = Prepared(_ADD_USE_OF_THIS)
_GIVE_ROOM = Prepared(
    _ADD_USE_OF_THIS.where(hosts.c.generation == bindparam("seen")).values(
        generation=hosts.c.generation + bindparam("servers")
    )
)
_TOUCH = Prepared(
    update(hosts)
    .where(_THIS)
    .values(
        last_seen=bindparam("at"),
        run_id=bindparam("run"),
        former_runs=bindparam("former"),
        report_number=bindparam("number"),
        applied_generation=bindparam("applied"),
    )
)

# PostgreSQL's advisory locks of placing on a host. Two hosts may share a number: then one request
# more goes to its next best host.
_TURNS = 0x706C6163  # "plac"
_TURN: tuple[ColumnElement[Any], ...] = (
    bindparam("domain"),
    func.hashtext(bindparam("host")),
)
_TRY_TURN = select(func.pg_try_advisory_xact_lock(*_TURN))
_AWAIT_TURN = select(func.pg_advisory_xact_lock(*_TURN))


class Hosts:
    """Rows of hosts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes = Changes(connection)
        self._numa_uses = NumaUses(connection)

    def find(self, host_id: str) -> Host | None:
        """Return the host with this ID, if there is one."""
        return self._one(_BY_ID[Lock.NONE], host_id)

    def get(self, host_id: str, lock: Lock = Lock.NONE) -> Host:
        """Return the host with this ID; raise `NotFound` if there is none."""
        host = self._one(_BY_ID[lock], host_id)
        if host is None:
            raise NotFound("host", host_id)
        return host

    def find_by_name(self, name: str) -> Host | None:
        """Return the host of this name, if there is one."""
        return self._one(_BY_NAME[Lock.NONE], name)

    def get_by_name(self, name: str, lock: Lock = Lock.NONE) -> Host:
        """Return the host of this name; raise `NotFound` if there is none."""
        host = self._one(_BY_NAME[lock], name)
        if host is None:
            raise NotFound("host", name)
        return host

    def get_many(self, host_ids: Collection[HostId]) -> dict[HostId, Host]:
        """Return those of the hosts that exist."""
        if not host_ids:
            return {}
        rows = _BY_IDS.all(self._connection, among(host_ids))
        return {HostId(row["id"]): Host(**row) for row in rows}

    def all(self) -> list[Host]:
        """Return every host, by name. For building the fleet index; never for a request."""
        rows = self._connection.execute(_HOSTS.order_by(hosts.c.name)).mappings()
        return [Host(**row) for row in rows]

    def page(self, query: ListQuery) -> list[Host]:
        """Return one page of hosts."""
        if not query.sort:
            query = replace(query, sort=(SortKey("name"),))
        return [_host(row) for row in select_page(self._connection, hosts, query, what="host")]

    def insert(self, host: Host) -> None:
        """Store a new host; raise `AlreadyExists` if its name is taken."""
        try:
            self._connection.execute(insert(hosts).values(_row(host)))
        except IntegrityError as taken:
            raise AlreadyExists("host", host.name) from taken
        self._changes.note(host.id)

    def update(self, host: Host) -> None:
        """Store what an operator or its agent changed; what is counted is left as it is.

        The host was read under `Lock.EXCLUSIVE`.
        """
        row = _row(host)
        for kept in ("id", "name", "generation", "consoles_asked", "created_at"):
            del row[kept]
        self._connection.execute(update(hosts).where(hosts.c.id == host.id).values(row))

    def raise_generation(self, host_id: HostId, *, to_be_applied: bool = True) -> int:
        """Raise a host's generation by 1 and return it; what is desired of the host has changed.

        The change does not depend on what is desired of the host otherwise, as a release doesn't;
        new servers do: see `give_room`.

        Args:
            host_id: The host.
            to_be_applied: The host has something to do by it. If not, and it has applied all that
                there was, it still has.
        """
        statement = _RAISE if to_be_applied else _RAISE_AS_APPLIED
        raised: int | None = statement.scalar(self._connection, {"this_id": host_id})
        if raised is None:
            raise NotFound("host", host_id)
        self._changes.note(host_id)
        return raised

    def raise_consoles_asked(self, host_id: HostId) -> int:
        """Count one more ask for a console of a server on the host; return its number.

        The generation stays: a decision about the host is as good as before.
        """
        asked: int | None = _ASK_CONSOLE.scalar(self._connection, {"this_id": host_id})
        if asked is None:
            raise NotFound("host", host_id)
        self._changes.note(host_id)
        return asked

    def add_use(self, host_id: HostId, use: HostUse) -> None:
        """Change what servers on the host use, by these differences."""
        _ADD_USE.run(self._connection, _use_values(host_id, use))
        self._numa_uses.add(host_id, use.numa)

    def give_room(self, host_id: HostId, use: HostUse, *, servers: int, seen: int) -> None:
        """Count what new servers use, and raise the host's generation by 1 for each of them.

        Raises:
            GenerationMoved: It has moved past `seen`, from which it was decided; nothing was
                written.
        """
        values = {**_use_values(host_id, use), "servers": servers, "seen": seen}
        if _GIVE_ROOM.run(self._connection, values) != 1:
            raise GenerationMoved("host", host_id, seen_generation=seen)
        self._numa_uses.add(host_id, use.numa)
        self._changes.note(host_id)

    def take_turn(self, host_id: HostId, *, waits: bool) -> bool:
        """Be the one transaction that places servers on a host, until it ends.

        A lock of its own, since a host's row is locked by its agent's reports too, which are no
        reason to place elsewhere. On SQLite, where writes take turns, it is always had.

        Args:
            host_id: The host.
            waits: Until another one has ended, if there is one.

        Returns:
            Whether it has the turn.
        """
        if self._connection.dialect.name != "postgresql":
            return True
        statement = _AWAIT_TURN if waits else _TRY_TURN
        answer = self._connection.execute(statement, {"domain": _TURNS, "host": host_id}).scalar()
        return waits or bool(answer)

    def use_of(self, host_id: HostId) -> HostUse:
        """Return what servers on the host use."""
        return self.uses([host_id])[host_id]

    def uses(self, host_ids: Collection[HostId] | None = None) -> dict[HostId, HostUse]:
        """Return what servers use on these hosts. None, every host: for building the index."""
        rows: Iterable[Row]
        if host_ids is None:
            numa = self._numa_uses.of_all_hosts()
            rows = self._connection.execute(_USES).mappings()
        else:
            numa = self._numa_uses.of_hosts(host_ids)
            rows = _USES_OF.all(self._connection, among(host_ids)) if host_ids else ()
        return {
            HostId(row["id"]): HostUse(
                row["vcpus_used"],
                row["memory_mib_used"],
                row["disk_gib_used"],
                numa.get(row["id"], {}),
            )
            for row in rows
        }

    def note_status_change(self, host_id: HostId) -> None:
        """Put the host into the change feed though its generation stays."""
        self._changes.note(host_id)

    def set_token_hash(self, host_id: HostId, token_hash: str) -> None:
        """Store the hash of its agent's credential; an older one is worthless from now on."""
        self._connection.execute(
            update(hosts).where(hosts.c.id == host_id).values(token_hash=token_hash)
        )

    def has_credential(self, name: HostName) -> bool:
        """Whether a host of this name is known, and its agent was given a credential."""
        given = select(hosts.c.id).where(hosts.c.name == name, hosts.c.token_hash.is_not(None))
        return self._connection.scalar(given) is not None

    def name_by_token_hash(self, token_hash: str) -> HostName | None:
        """Return the one host whose agent has this credential."""
        name = _BY_TOKEN_HASH.scalar(self._connection, {"wanted": token_hash})
        return None if name is None else HostName(name)

    def touch(self, host_id: HostId, *, at: datetime, run_id: str, former_runs: tuple[str, ...],
              report_number: int, applied_generation: int) -> None:  # fmt: skip
        """Record that its agent was heard."""
        _TOUCH.run(
            self._connection,
            {
                "this_id": host_id,
                "at": at,
                "run": run_id,
                "former": former_runs,
                "number": report_number,
                "applied": applied_generation,
            },
        )

    def ask_for_everything(self, host_id: HostId) -> None:
        """Forget the agent's run: its next report is answered with a request for a full one."""
        self._connection.execute(update(hosts).where(hosts.c.id == host_id).values(run_id=""))

    def set_problem(self, host_id: HostId, problem: str) -> None:
        """Store why its agent can't use the host."""
        self._connection.execute(update(hosts).where(hosts.c.id == host_id).values(problem=problem))

    def _one(self, statement: Prepared, wanted: str) -> Host | None:
        row = statement.one_or_none(self._connection, {"wanted": wanted})
        return None if row is None else Host(**row)


def _use_values(host_id: HostId, use: HostUse) -> dict[str, object]:
    return {
        "this_id": host_id,
        "vcpus": use.vcpus,
        "memory_mib": use.memory_mib,
        "disk_gib": use.disk_gib,
    }


def _row(host: Host) -> dict[str, Any]:
    return {
        "id": host.id,
        "name": host.name,
        "generation": host.generation,
        "resources": host.resources,
        "enabled": host.enabled,
        "disabled_reason": host.disabled_reason,
        "description": host.description,
        "last_seen": host.last_seen,
        "run_id": host.run_id,
        "report_number": host.report_number,
        "problem": host.problem,
        "former_runs": host.former_runs,
        "applied_generation": host.applied_generation,
        "consoles_asked": host.consoles_asked,
        "created_at": host.created_at,
        "updated_at": host.updated_at,
    }


def _host(row: Row) -> Host:
    """Make a host of a row that has more columns than it has fields."""
    return Host(**{name: row[name] for name in _FIELDS})
