"""``/network/v2.0/agents``: each host's agent, as Neutron shows its own."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, text
from trunkline.api.network.common import Collection, Item, answer_item, answer_list, timestamp
from trunkline.control.hosts import get_host, list_hosts
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.domain.policy import network_rules as rules

AGENT_TYPE: Final = "NIC Switch agent"  # Neutron's name for what handles SR-IOV NICs.
BINARY: Final = "trunkline-agent"

AGENTS: Final = Collection(
    name="agents",
    member="agent",
    filters={
        "id": Filter("id"),
        "host": Filter("name", text),
        "admin_state_up": Filter("enabled", boolean),
    },
    sort_keys={"id": "id", "host": "name", "created_at": "created_at"},
    constants={"agent_type": AGENT_TYPE, "binary": BINARY},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the agents; admins only."""
    return answer_list(
        request,
        AGENTS,
        lambda query: list_hosts(svc, request.caller, query, by=rules.GET_AGENT),
        render_agent,
    )


def show(svc: Services, request: Request) -> Response:
    """Answer one agent."""
    host = get_host(svc, request.caller, request.params["id"], by=rules.GET_AGENT)
    return answer_item(request, AGENTS, render_agent(host))


def render_agent(view: HostView) -> Item:
    """Render a host as the agent that runs on it."""
    host = view.host
    heard = host.last_seen or host.created_at
    return {
        "id": host.id,
        "agent_type": AGENT_TYPE,
        "binary": BINARY,
        "host": host.name,
        "topic": "N/A",
        "availability_zone": None,
        "admin_state_up": host.enabled,
        "alive": view.up,
        "created_at": timestamp(host.created_at),
        "started_at": timestamp(host.created_at),
        "heartbeat_timestamp": timestamp(heard),
        "description": host.disabled_reason,
        "configurations": {"bridges": dict(host.resources.bridges)},
        "resources_synced": host.applied_generation >= host.generation,
        "resource_versions": {},
    }
