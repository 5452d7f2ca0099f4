"""A site behind HTTP whose disk fills up in the middle of a commit, and has room again later.

Says, a JSON list a line, what each request was and how it was answered. Run under the storage shim.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply
from tests.support.image_user import ImageUser
from tests.support.world import AgentByHand, a_card
from trunkline.control.ports import create_ports
from trunkline.control.requests import PortCreate
from trunkline.domain.port import VnicType

SAID = "answered: "  # Begins each line that is not the log's.
PORTS = 24  # More servers than the disk has room for.


def say(what: str, reply: Reply) -> None:
    told = [what, reply.status, dict(reply.headers), reply.body.decode()]
    os.write(1, f"{SAID}{json.dumps(told)}\n".encode())


def boot(scene: ComputeSite, port: str) -> Reply:
    return scene.call(
        "POST", "/servers", body={"server": server_request(scene.flavor, "web", port)}
    )


def fill_up(scene: ComputeSite, ports: Iterator[str]) -> None:
    """Make servers until one is refused."""
    for port in ports:
        reply = boot(scene, port)
        say("server", reply)
        if reply.status != 202:
            return


def main(directory: Path, freed: Path) -> None:
    with a_compute_site(directory) as scene:
        card = a_card(5, "phy1", vf_count=PORTS)
        scene.agents.append(AgentByHand(scene.site.svc, "h3", card))
        wanted = PortCreate(network_id=scene.blue.id, vnic_type=VnicType.DIRECT)
        made = create_ports(scene.site.svc, scene.caller(), [wanted] * PORTS)
        ports = iter([view.port.id for view in made])
        user = ImageUser(scene.site, "demo")
        image = user.create()
        say("begun", scene.call("GET", "/servers"))
        fill_up(scene, ports)
        say("listed", scene.call("GET", "/servers"))
        http, token = scene.site.http, scene.token("demo")
        network = http.request("POST", "/network/v2.0/networks", token=token, body={"network": {}})
        say("network", network)
        say("upload", user.upload(image, b"i" * 100_000))
        freed.touch()
        say("server again", boot(scene, next(ports)))
        say("upload again", user.upload(image, b"i" * 100_000))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
