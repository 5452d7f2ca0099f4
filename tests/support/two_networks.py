"""The scenario that the tests of trunkline/v1, its client and its command line share.

    h1  0000:05:00.0 ── phy1   2 VFs          blue   VLAN 120 on phy1 (demo's)
        0000:06:00.0 ── phy2   2 VFs          red    VLAN 220 on phy2 (demo's)
    h2  0000:05:00.0 ── phy1   2 VFs          secret VLAN 130 on phy1 (other's)

Clock and IDs are the test's own, so two runs give the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.http_app import Reply, Site, a_site
from tests.support.world import (
    OTHER,
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
)
from trunkline.control.enrolment import enrol_host, set_enrolment_key
from trunkline.control.identity import caller_from_token
from trunkline.control.image_transfer import begin_upload
from trunkline.control.images import ImageCreate, create_image
from trunkline.control.ports import create_port
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.views import PortView, ServerView
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName, ImageId
from trunkline.domain.image import Image
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.domain.server import Flavor

ENROLMENT_KEY = "the key that all hosts share"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoNetworks:
    """The scenario, with logins."""

    site: Site
    admin_token: str
    demo_token: str
    admin: Caller
    demo: Caller
    blue: Network
    red: Network
    secret: Network
    small: Flavor
    h1: AgentByHand
    h2: AgentByHand

    def ask(
        self, target: str, *, method: str = "GET", body: object = None, tenant: bool = False
    ) -> Reply:
        """Ask trunkline/v1, as the admin or as `demo`."""
        token = self.demo_token if tenant else self.admin_token
        return self.site.http.request(method, f"/trunkline/v1{target}", token=token, body=body)

    def port(self, network: Network, name: str, vnic_type: VnicType) -> PortView:
        """Make a port of demo's."""
        asked = PortCreate(network_id=network.id, name=name, vnic_type=vnic_type)
        return create_port(self.site.svc, self.demo, asked)

    def image(self, content: bytes) -> Image:
        """Make an image of demo's with these bytes."""
        svc, asked = self.site.svc, ImageCreate(disk_format="raw", container_format="bare")
        made = create_image(svc, self.demo, asked)
        upload = begin_upload(svc, self.demo, made.id, size_bytes=len(content))
        upload.write(content)
        return upload.complete()

    def server(self, name: str, *ports: PortView, image_id: ImageId | None = None) -> ServerView:
        """Make a server of demo's with these ports."""
        server = create_server(
            self.site.svc,
            self.demo,
            ServerCreate(
                name=name,
                flavor_id=self.small.id,
                image_id=image_id,
                nics=tuple(NicRequest(port_id=view.port.id) for view in ports),
            ),
        )
        return get_server(self.site.svc, self.demo, server.id)

    def agent_token(self, name: str) -> str:
        """Enrol a host and return its agent's token."""
        return enrol_host(self.site.svc, HostName(name), ENROLMENT_KEY)


@contextmanager
def two_networks(tmp_path: Path, *, url: str | None = None) -> Iterator[TwoNetworks]:
    """Open the scenario; on a database in `tmp_path` unless `url` says another."""
    with a_site(tmp_path, url=url) as site:
        svc = site.svc
        set_enrolment_key(svc, ENROLMENT_KEY)
        admin_token, demo_token = site.token("admin"), site.token("demo")
        demo = caller_from_token(svc, demo_token, request_id="req-demo")
        yield TwoNetworks(
            site=site,
            admin_token=admin_token,
            demo_token=demo_token,
            admin=caller_from_token(svc, admin_token, request_id="req-admin"),
            demo=demo,
            blue=a_network(svc, "blue", (PHY1, 120), project=demo),
            red=a_network(svc, "red", (PHY2, 220), project=demo),
            secret=a_network(svc, "secret", (PHY1, 130), project=OTHER),
            small=a_flavor(svc),
            h1=AgentByHand(
                svc, "h1", a_card(5, PHY1, vf_count=2) + a_card(6, PHY2, vf_count=2, driver="ixgbe")
            ),
            h2=AgentByHand(svc, "h2", a_card(5, PHY1, vf_count=2)),
        )
