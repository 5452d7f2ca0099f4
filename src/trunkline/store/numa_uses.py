"""What servers that are confined to NUMA nodes use of them: a row for each node in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, bindparam, or_, select, update

from trunkline.domain.ids import HostId
from trunkline.domain.numa import NumaUse
from trunkline.store.prepared import Prepared, Row
from trunkline.store.statements import among, insert_row, select_where_in
from trunkline.store.tables import numa_uses

_IS_USED = or_(numa_uses.c.vcpus_used != 0, numa_uses.c.memory_mib_used != 0)
_OF_HOSTS = Prepared(select_where_in(numa_uses, "host_id").where(_IS_USED))
_ADD = Prepared(
    update(numa_uses)
    .where(
        numa_uses.c.host_id == bindparam("this_host"), numa_uses.c.number == bindparam("this_node")
    )
    .values(
        vcpus_used=numa_uses.c.vcpus_used + bindparam("vcpus"),
        memory_mib_used=numa_uses.c.memory_mib_used + bindparam("memory_mib"),
    )
)
_INSERT = Prepared(insert_row(numa_uses))


class NumaUses:
    """Rows of nodes in use. Who changes one has changed the host's row before, and so is alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, host_id: HostId, differences: Mapping[int, NumaUse]) -> None:
        """Change what confined servers use of some nodes of a host, by these differences."""
        for number, use in differences.items():
            found = _ADD.run(
                self._connection,
                {
                    "this_host": host_id,
                    "this_node": number,
                    "vcpus": use.vcpus,
                    "memory_mib": use.memory_mib,
                },
            )
            if not found:
                _INSERT.run(
                    self._connection,
                    {
                        "host_id": host_id,
                        "number": number,
                        "vcpus_used": use.vcpus,
                        "memory_mib_used": use.memory_mib,
                    },
                )

    def of_hosts(self, host_ids: Collection[HostId]) -> Mapping[HostId, Mapping[int, NumaUse]]:
        """Return what is used of these hosts' nodes; hosts of which nothing is are left out."""
        if not host_ids:
            return {}
        return _by_host(_OF_HOSTS.all(self._connection, among(host_ids)))

    def of_all_hosts(self) -> Mapping[HostId, Mapping[int, NumaUse]]:
        """Return what is used of every host's nodes. For building the fleet index."""
        return _by_host(self._connection.execute(select(numa_uses).where(_IS_USED)).mappings())


def _by_host(rows: Iterable[Row]) -> Mapping[HostId, Mapping[int, NumaUse]]:
    found: dict[HostId, dict[int, NumaUse]] = defaultdict(dict)
    for row in rows:
        use = NumaUse(row["vcpus_used"], row["memory_mib_used"])
        found[HostId(row["host_id"])][row["number"]] = use
    return found
