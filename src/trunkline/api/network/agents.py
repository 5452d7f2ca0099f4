"""``/network/v2.0/agents``: each host's agent, as Neutron shows its own."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter, boolean, text
from trunkline.api.network.common import (
    Collection,
    Item,
    answer_item,
    answer_list,
    timestamp,
    update_fields,
)
from trunkline.control.hosts import get_host, list_hosts, update_agent_host
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.domain.errors import InUse
from trunkline.domain.policy import network_rules as rules

AGENT_TYPE: Final = "NIC Switch agent"  # Neutron's name for what handles SR-IOV NICs.
BINARY: Final = "trunkline-agent"
TOPIC: Final = "N/A"

AGENTS: Final = Collection(
    name="agents",
    member="agent",
    filters={
        "id": Filter("id"),
        "host": Filter("name", text),
        "admin_state_up": Filter("enabled", boolean),
    },
    sort_keys={"id": "id", "host": "name", "created_at": "created_at"},
    constants={"agent_type": AGENT_TYPE, "binary": BINARY, "topic": TOPIC},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the agents; none to whom the policy shows none, as Neutron does."""
    if not request.caller.may(rules.GET_AGENT):
        return Response(body={AGENTS.name: []})
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


def update(svc: Services, request: Request) -> Response:
    """Let its host take new servers or no more (``admin_state_up``), or describe it."""
    fields = update_fields(request, AGENTS)
    fields.require_only(("admin_state_up", "description"))
    said = fields.text("description", None) if "description" in fields else UNSET
    host = update_agent_host(
        svc,
        request.caller,
        request.params["id"],
        enabled=fields.boolean("admin_state_up", UNSET),
        description=said,
    )
    return answer_item(request, AGENTS, render_agent(host))


def remove(svc: Services, request: Request) -> Response:
    """Refuse: a host is known for good, with the devices on record for it."""
    host = get_host(svc, request.caller, request.params["id"], by=rules.DELETE_AGENT).host
    raise InUse("agent", host.id, f"host {host.name} stays known; it can be disabled")


def render_agent(view: HostView) -> Item:
    """Render a host as the agent that runs on it."""
    host = view.host
    heard = host.last_seen or host.created_at
    return {
        "id": host.id,
        "agent_type": AGENT_TYPE,
        "binary": BINARY,
        "host": host.name,
        "topic": TOPIC,
        "availability_zone": view.zone,
        "admin_state_up": host.enabled,
        "alive": view.up,
        "created_at": timestamp(host.created_at),
        "started_at": timestamp(host.created_at),
        "heartbeat_timestamp": timestamp(heard),
        "description": host.description,
        "configurations": {"bridges": dict(host.resources.bridges)},
        "resources_synced": host.applied_generation >= host.generation,
        "resource_versions": {},
    }
