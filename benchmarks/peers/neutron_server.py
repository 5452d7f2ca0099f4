"""A Neutron in the directory that is named, served on a free port until it is killed.

Runs in Neutron's environment. ML2 with the `sriovnicswitch` mechanism driver, VLANs, SQLite. Whom a
request is from is taken from its headers, as Neutron has it from Keystone's middleware, which is
left out; its policy is checked. Agents are rows that stay alive: they have reported once.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
from pathlib import Path

import sqlalchemy
import waitress
from neutron.db.migration.models import head
from neutron_lib import context
from neutron_lib.plugins import directory
from oslo_utils import timeutils

THREADS = 8
HOSTS = ("h1", "h2", "h3", "h4")
CONFIGURATION = """
[DEFAULT]
auth_strategy = keystone
core_plugin = ml2
service_plugins =
api_paste_config = {home}/api-paste.ini
transport_url = fake://
state_path = {home}
log_file = {home}/neutron.log
agent_down_time = 86400
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
[oslo_concurrency]
lock_path = {home}
[database]
connection = sqlite:///{database}
[quotas]
quota_port = 100000
[ml2]
type_drivers = vlan
tenant_network_types = vlan
mechanism_drivers = sriovnicswitch
[ml2_type_vlan]
network_vlan_ranges = phy1:100:199,phy2:200:299
"""


def main(home: Path) -> None:
    database = home / "neutron.db"
    (home / "neutron.conf").write_text(CONFIGURATION.format(home=home, database=database))
    shipped = Path(sys.prefix, "etc/neutron/api-paste.ini").read_text()
    (home / "api-paste.ini").write_text(shipped.replace(" authtoken ", " "))
    # Its migrations do not run on SQLite; its own tests make the tables like this.
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    head.get_metadata().create_all(engine)
    engine.dispose()
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # Faster, and as Trunkline has it.
    os.environ.update(OS_NEUTRON_CONFIG_DIR=str(home), OS_NEUTRON_CONFIG_FILES="neutron.conf")
    sys.argv = ["neutron-api"]
    from neutron.wsgi.api import application  # Reads the configuration.

    for host in HOSTS:
        directory.get_plugin().create_or_update_agent(
            context.get_admin_context(),
            {
                "agent_type": "NIC Switch agent",
                "binary": "neutron-sriov-nic-agent",
                "host": host,
                "topic": "N/A",
                "configurations": {"device_mappings": {"phy1": ["eth1"], "phy2": ["eth2"]}},
                "start_flag": True,
            },
            timeutils.utcnow(),
        )
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    waitress.serve(application, sockets=[listener], threads=THREADS, _quiet=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
