"""openstacksdk's cloud layer, on which Ansible's modules and many scripts are built."""

from __future__ import annotations

from tests.stories.desk import Desks

# It asks for a floating IP, as it does unless it is told not to: where there are none to be had,
# the server is made all the same.
SCRIPT = """
import openstack
cloud = openstack.connect()
open("disk.img", "wb").write(b"disk" * 1000)
cloud.create_image("tiny", filename="disk.img", disk_format="raw", wait=True)
flavor = cloud.list_flavors()[0]
server = cloud.create_server(
    "auto", image="tiny", flavor=flavor.id, network="blue", auto_ip=True, wait=True, timeout=240,
    security_groups=["default"], reuse_ips=True,
)
print(server.status, sorted(server.addresses), [group["name"] for group in server.security_groups])
print(cloud.list_floating_ips(), cloud.get_server("auto").interface_ip == server.interface_ip)
assert cloud.delete_server("auto", wait=True, delete_ips=True, timeout=240)
assert cloud.get_server("auto") is None
assert cloud.delete_image("tiny", wait=True)
"""


def test_a_server_is_made_and_deleted_where_no_floating_ips_are(desks: Desks) -> None:
    with desks.set_up() as desk:
        done = desk.run_with_sdk(desk.directory, SCRIPT, cloud="trunkline-demo")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["ACTIVE ['blue'] ['default']", "[] True"]
