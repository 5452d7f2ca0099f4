"""Reports that were under way for long: what they say was true once."""

from __future__ import annotations

from pathlib import Path

from tests.support.world import (
    DEMO,
    PHY1,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server, get_server, start_server, stop_server
from trunkline.domain.host import HostResources
from trunkline.domain.ids import FlavorId
from trunkline.domain.server import ServerState
from trunkline.reconcile.report import HostReport, ServerCondition, ServerFact


def test_the_first_report_of_an_earlier_run_says_nothing_of_a_later_start(tmp_path: Path) -> None:
    with a_world(tmp_path) as svc:
        a_flavor(svc)
        network = a_network(svc, "blue", (PHY1, 100))
        inventory = a_card(5, "phy1")
        agent = AgentByHand(svc, "h1", inventory)
        request = ServerCreate(
            name="web",
            flavor_id=FlavorId("small"),
            image_id=None,
            nics=(NicRequest(network_id=network.id),),
        )
        server = create_server(svc, DEMO, request)

        def fact(condition: ServerCondition) -> ServerFact:
            boot_number = get_server(svc, DEMO, server.id).server.boot_number
            return ServerFact(id=server.id, boot_number=boot_number, condition=condition)

        # An agent that is restarted tells all that it finds. This report is held up on its way.
        late = HostReport(
            host=agent.name,
            run_id="another run",
            number=1,
            generation=2,
            resources=HostResources(vcpus=64, memory_mib=262144, disk_gib=4096),
            inventory=tuple(inventory),
            servers=(fact(ServerCondition.RUNNING),),
        )
        agent.report(servers=[fact(ServerCondition.RUNNING)])
        stop_server(svc, DEMO, server.id)
        agent.report(servers=[fact(ServerCondition.STOPPED)])
        start_server(svc, DEMO, server.id)
        take_report(svc, late)
        assert get_server(svc, DEMO, server.id).server.state is ServerState.STARTING
