"""What is done to a control plane, step by step: each `yield` is an acknowledgement.

h1: one PF on phy1 with 4 VFs. The same steps give the same rows, IDs and times included.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from tests.support.world import ADMIN, DEMO, AgentByHand, a_card, a_flavor, a_world
from trunkline.control.desired import desired_config
from trunkline.control.image_transfer import begin_upload
from trunkline.control.images import ImageCreate, create_image
from trunkline.control.network_requests import NetworkCreate, SubnetCreate
from trunkline.control.networks import create_network
from trunkline.control.ports import create_port, delete_port, update_port
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate, ServerCreate
from trunkline.control.servers import create_server, delete_server, get_server
from trunkline.control.services import Services
from trunkline.control.subnets import create_subnet
from trunkline.control.views import ServerView
from trunkline.domain.ids import FlavorId, NetworkId
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)

VFS = 4
WRITERS, EACH = 4, 3


def boot(svc: Services, *nics: NicRequest) -> ServerView:
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=nics)
    return get_server(svc, DEMO, create_server(svc, DEMO, request).id)


def direct(network: NetworkId) -> NicRequest:
    return NicRequest(network_id=network, vnic_type=VnicType.DIRECT)


def a_host(svc: Services, *, vfs: int = VFS) -> AgentByHand:
    a_flavor(svc)
    return AgentByHand(svc, "h1", a_card(5, "phy1", vf_count=vfs))


def report_all(svc: Services, agent: AgentByHand) -> None:
    """Let the agent find everything as desired, and what it is to take back clean."""
    config = desired_config(svc, agent.name)
    held = [nic.device for server in config.servers for nic in server.nics if nic.device]
    ready, clean = DeviceCondition.READY, DeviceCondition.CLEAN
    agent.report(
        devices=[
            DeviceFact(address=device.address, epoch=device.epoch, condition=condition)
            for devices, condition in ((held, ready), (config.releases, clean))
            for device in devices
        ],
        servers=[
            ServerFact(
                id=server.id, boot_number=server.boot_number, condition=ServerCondition.RUNNING
            )
            for server in config.servers
        ],
    )


def story(svc: Services) -> Iterator[str]:
    """Do one thing after the other; yield what was acknowledged."""
    agent = a_host(svc)
    yield "begun"
    network = create_network(svc, DEMO, NetworkCreate(name="blue")).network
    yield "network made"
    create_subnet(svc, DEMO, SubnetCreate(network_id=network.id, cidr=ip_network("10.0.0.0/24")))
    yield "subnet made"
    wanted = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT)
    port = create_port(svc, DEMO, wanted).port
    yield "port made"
    image = create_image(svc, DEMO, ImageCreate(disk_format="raw", container_format="bare"))
    yield "image made"
    upload = begin_upload(svc, DEMO, image.id, size_bytes=5000)
    upload.write(b"i" * 5000)
    upload.complete()
    yield "image uploaded"
    web = boot(svc, NicRequest(port_id=port.id), direct(network.id), direct(network.id))
    yield "server with three NICs placed"
    db = boot(svc, direct(network.id))
    yield "server with the last VF placed"
    boot(svc, direct(network.id))
    yield "server refused"
    report_all(svc, agent)
    yield "servers run"
    update_port(svc, DEMO, port.id, PortUpdate(security_groups=(), port_security_enabled=False))
    yield "port of a server changed"
    delete_server(svc, DEMO, db.server.id)
    yield "server deleted"
    report_all(svc, agent)
    yield "device taken back"
    device = db.nics[0].port.device
    assert device is not None
    claim = replace(wanted, host=agent.name, profile={"pci_slot": str(device.function.address)})
    claimed = create_port(svc, ADMIN, claim).port
    yield "device claimed"
    delete_port(svc, ADMIN, claimed.id)
    yield "claim dropped"
    delete_server(svc, DEMO, web.server.id)
    yield "server with three NICs deleted"


def crowd(svc: Services, network: NetworkId) -> Iterator[str]:
    """What one of several threads does: it makes servers, and deletes every other one."""
    for turn in range(EACH):
        made = boot(svc, direct(network), direct(network)).server
        yield f"made {made.id}"
        if turn % 2:
            yield f"deleting {made.id}"
            delete_server(svc, DEMO, made.id)
            yield f"deleted {made.id}"


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def tell_story(directory: Path) -> None:
    """Do all of it in one thread, and say each thing once it is acknowledged."""
    with a_world(directory) as svc:
        for line in story(svc):
            say(line)


def tell_crowd(directory: Path) -> None:
    """Let several threads make servers at once: their commits go together."""
    with a_world(directory) as svc:
        a_host(svc, vfs=2 * WRITERS * EACH)
        network = create_network(svc, DEMO, NetworkCreate(name="blue")).network
        say("begun")

        def work() -> None:
            for line in crowd(svc, network.id):
                say(line)

        threads = [threading.Thread(target=work) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    {"story": tell_story, "crowd": tell_crowd}[sys.argv[1]](Path(sys.argv[2]))
