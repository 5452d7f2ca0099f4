"""trunkline/v1, typed: what the CLI asks, and anyone who writes a program against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

from trunkline.client.pci_flavors import PciFlavorApi
from trunkline.client.session import Session
from trunkline.wire.defrag import DefragAnswer, DefragBody
from trunkline.wire.enrolment import (
    EnrolmentTokenAnswer,
    EnrolmentTokenBody,
    EnrolmentTokenItem,
    EnrolmentTokenList,
)
from trunkline.wire.network_pools import NetworkPoolItem, NetworkPoolList
from trunkline.wire.planning import (
    BoundsItem,
    CapacityAnswer,
    CapacityBody,
    MixBody,
    WhatIfAnswer,
    WhatIfBody,
)
from trunkline.wire.quotas import QuotaBody, QuotaItem, QuotaList
from trunkline.wire.v1 import (
    PREFIX,
    DeviceItem,
    EventItem,
    ExplainAnswer,
    ExplainBody,
    HostChange,
    HostItem,
    NetworkItem,
    PhysicalNetworkItem,
    ServerPath,
    VfCountPlan,
)
from trunkline.wire.verify import VerifyAnswer, VerifyBody

T = TypeVar("T")

PAGE_SIZE: Final = 500  # Items asked for at once: a page comes in well under a second.
VERIFIED_AT_ONCE: Final = 50  # Hosts; each takes some 10 ms.

Filters = Mapping[str, str | None]  # None: do not filter by it.


class TrunklineApi:
    """The calls of trunkline/v1. All raise the classes of `client.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.pci_flavors = PciFlavorApi(session)

    def hosts(self, filters: Filters | None = None) -> Iterator[HostItem]:
        """List hosts, by name; read page by page as they are taken."""
        return self._pages("/hosts", "hosts", HostItem, filters, lambda host: host.id)

    def host(self, name: str) -> HostItem:
        """Show one host, by name or ID."""
        return self._session.get(f"/hosts/{_segment(name)}", HostItem)

    def set_host_enabled(self, name: str, *, enabled: bool, reason: str | None = None) -> HostItem:
        """Let a host take new servers, or no more."""
        change = HostChange(enabled=enabled, reason=reason)
        return self._session.call("PATCH", f"/hosts/{_segment(name)}", HostItem, body=change)

    def set_vf_count(
        self, host: str, pf: str, count: int, *, apply: bool, drain: bool = False
    ) -> VfCountPlan:
        """Plan another count of VFs for a PF; with `apply` or `drain`, have it made so."""
        path = f"/hosts/{_segment(host)}/pfs/{_segment(pf)}/vfs"
        body = {"count": count, "apply": apply} | ({"drain": True} if drain else {})
        return self._session.call("POST", path, VfCountPlan, body=body)

    def unset_vf_count(self, host: str, pf: str) -> None:
        """Leave the VF count of a PF to the host."""
        path = f"{PREFIX}/hosts/{_segment(host)}/pfs/{_segment(pf)}/vfs"
        self._session.send("DELETE", path)

    def free_device(self, host: str, address: str) -> None:
        """Let a device for one use, which is reserved, be given away again."""
        path = f"{PREFIX}/hosts/{_segment(host)}/devices/{_segment(address)}/free"
        self._session.send("POST", path, body={})

    def rekey_pf(self, host: str, address: str, to: str) -> None:
        """Say where a PF is now that is in doubt."""
        path = f"{PREFIX}/hosts/{_segment(host)}/pfs/{_segment(address)}/rekey"
        self._session.send("POST", path, body={"to": to})

    def create_enrolment_token(self, body: EnrolmentTokenBody) -> EnrolmentTokenAnswer:
        """Make a token that lets one host enrol, once; its text is told here only."""
        return self._session.call("POST", "/enrolment-tokens", EnrolmentTokenAnswer, body=body)

    def enrolment_tokens(self) -> tuple[EnrolmentTokenItem, ...]:
        """List enrolment tokens, newest first."""
        return self._session.get("/enrolment-tokens", EnrolmentTokenList).enrolment_tokens

    def revoke_enrolment_token(self, token_id: str) -> None:
        """Make an enrolment token worthless."""
        self._session.send("DELETE", f"{PREFIX}/enrolment-tokens/{_segment(token_id)}")

    def devices(self, filters: Filters | None = None) -> Iterator[DeviceItem]:
        """List devices, by host and address; `filters` are those of the HTTP API."""
        return self._pages("/devices", "devices", DeviceItem, filters, lambda device: device.id)

    def networks(self, filters: Filters | None = None) -> Iterator[NetworkItem]:
        """List networks with what is free on each segment."""
        return self._pages("/networks", "networks", NetworkItem, filters, lambda net: net.id)

    def network_pools(self, filters: Filters | None = None) -> tuple[NetworkPoolItem, ...]:
        """List network pools, by host and name."""
        query = [(name, value) for name, value in (filters or {}).items() if value is not None]
        return self._session.get("/network-pools", NetworkPoolList, query=query).network_pools

    def physical_networks(self) -> tuple[PhysicalNetworkItem, ...]:
        """List physical networks with what is cabled to them."""
        return self._session.get("/physical-networks", PhysicalNetworkList).physical_networks

    def explain(
        self,
        body: ExplainBody,
        *,
        nearest: int | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> ExplainAnswer:
        """Ask where a server would go now, or why nowhere; nothing is held by it.

        Args:
            body: The server.
            nearest: How many of the hosts that lack least to be told about; None: 20.
            limit: And how many of all hosts that refuse, by name; None: none, without a marker.
            marker: Only those that come after this name.
        """
        told = {"nearest": nearest, "limit": limit, "marker": marker}
        query = [(name, str(value)) for name, value in told.items() if value is not None]
        return self._session.call("POST", "/explain", ExplainAnswer, query=query, body=body)

    def defrag(self, body: DefragBody) -> DefragAnswer:
        """Ask for the fewest moves that free devices; nothing is held or moved by it."""
        return self._session.call("POST", "/defrag", DefragAnswer, body=body)

    def quotas(self, project: str | None) -> tuple[QuotaItem, ...]:
        """List quotas: of this project, by ID or name, or of all that may be seen."""
        query = [] if project is None else [("project", project)]
        return self._session.get("/quotas", QuotaList, query).quotas

    def set_quota(self, project: str | None, resource: str, body: QuotaBody) -> QuotaItem:
        """Let a project, or every one that has no quota of its own (None), hold so much."""
        return self._session.call("PUT", _quota_path(project, resource), QuotaItem, body=body)

    def unset_quota(self, project: str | None, resource: str, physical_network: str | None) -> None:
        """Take such a quota away."""
        query = "" if physical_network is None else f"?physical_network={quote(physical_network)}"
        self._session.send("DELETE", f"{PREFIX}{_quota_path(project, resource)}{query}")

    def verify(self, *, mend: bool) -> Iterator[VerifyAnswer]:
        """Verify all hosts, page by page, and mend what can be if `mend`."""
        marker = None
        while True:
            body = VerifyBody(limit=VERIFIED_AT_ONCE, marker=marker, mend=mend)
            answer = self._session.call("POST", "/verify", VerifyAnswer, body=body)
            yield answer
            marker = answer.marker
            if marker is None:
                return

    def capacity(self, body: CapacityBody) -> CapacityAnswer:
        """Ask how many more servers of a shape fit; one page of hosts."""
        return self._session.call("POST", "/capacity", CapacityAnswer, body=body)

    def capacity_of_mix(self, body: MixBody) -> BoundsItem:
        """Ask how many mixes of servers fit, at least and at most."""
        return self._session.call("POST", "/capacity/mix", BoundsItem, body=body)

    def what_if(self, body: WhatIfBody) -> WhatIfAnswer:
        """Ask what would be if something were otherwise; nothing is held or changed by it."""
        return self._session.call("POST", "/what-if", WhatIfAnswer, body=body)

    def server_path(self, server: str) -> ServerPath:
        """Show a server, by ID or name, with the way from each NIC to the wire."""
        return self._session.get(f"/servers/{_segment(server)}/path", ServerPath)

    def events(self, filters: Filters | None = None, *, limit: int) -> Iterator[EventItem]:
        """List the newest `limit` events, newest first."""
        return self._pages(
            "/events", "events", EventItem, filters, lambda event: str(event.number), limit=limit
        )

    def _pages(
        self,
        path: str,
        name: str,
        type_: type[T],
        filters: Filters | None,
        marker_of: Callable[[T], str],
        *,
        limit: int | None = None,
    ) -> Iterator[T]:
        kept = [(key, value) for key, value in (filters or {}).items() if value is not None]
        marker: list[tuple[str, str]] = []
        left = limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            query = [*kept, ("limit", str(size)), *marker]
            page_type = dict[str, list[type_]]  # type: ignore[valid-type]  # Made at run time.
            answer = self._session.get(path, page_type, query)
            items: list[T] = answer[name]
            yield from items
            if len(items) < size:
                return
            left = None if left is None else left - len(items)
            marker = [("marker", marker_of(items[-1]))]


@dataclass(frozen=True, slots=True)
class PhysicalNetworkList:
    """The answer that lists physical networks."""

    physical_networks: tuple[PhysicalNetworkItem, ...]


def _quota_path(project: str | None, resource: str) -> str:
    whose = "/default-quotas" if project is None else f"/quotas/{_segment(project)}"
    return f"{whose}/{_segment(resource)}"


def _segment(name: str) -> str:
    return quote(name, safe="")
