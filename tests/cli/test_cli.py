"""The commands as people and scripts meet them, against the real application over TCP.

Golden files are rewritten with TRUNKLINE_REWRITE_GOLDEN=1; the diff is the review.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from tests.cli.terminal import Terminal, check_session, golden, without_chance
from tests.support.http_app import write_clouds
from tests.support.patience import HANGS_SECONDS
from tests.support.two_networks import TwoNetworks
from tests.support.world import AgentByHand, a_card, pooled
from trunkline.cli import commands
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.progress import progress_line
from trunkline.control.servers import delete_server
from trunkline.domain.host import HostResources
from trunkline.domain.network_pool import PoolMode
from trunkline.domain.numa import NumaNode
from trunkline.domain.port import VnicType

SESSIONS: Final = {
    "host-list": "host list",
    "host-show": "host show h1",
    "device-list": "device list",
    "device-list-filtered": "device list --host h1 --physical-network phy2 --state claimed",
    "pf-show": "pf show h1 0000:05:00.0",
    "device-list-none": "device list --state quarantined",
    "network-list": "network list",
    "network-list-tenant": "network list --os-cloud trunkline-demo",
    "network-physical": "network physical",
    "server-show": "server show web",
    "server-show-whole": "server show whole",
    "server-show-tenant": "server show web --os-cloud trunkline-demo",
    "explain-fits": "explain --flavor small --nic network=blue,vnic-type=direct --nic network=red",
    "explain-refused": "explain " + "--nic network=red,vnic-type=direct " * 2,
    "explain-nearest": "explain --hosts 1 " + "--nic network=red,vnic-type=direct " * 2,
    "explain-page": "explain --page 1 " + "--nic network=red,vnic-type=direct " * 2,
    "explain-next-page": "explain --page 1 --after h1 " + "--nic network=red,vnic-type=direct " * 2,
    "explain-refused-tenant": "explain --os-cloud trunkline-demo "
    + "--nic network=red,vnic-type=direct " * 2,
    "capacity": "capacity --flavor small --nic network=blue,vnic-type=direct",
    "capacity-one-host": "capacity --nic network=red,vnic-type=direct --host h1",
    "capacity-none": "capacity " + "--nic network=red,vnic-type=direct " * 3,
    "what-if-drain": "what-if --drain h1",
    "what-if-lose-pf": "what-if --lose-pf h1/0000:06:00.0",
    "what-if-add": "what-if --add-hosts 2 --like h1 --nic network=red,vnic-type=direct",
    "events": "events --limit 8",
    "quota-list-none": "quota list",
    "verify": "verify",
    "verify-tenant": "verify --os-cloud trunkline-demo",
    "not-found": "host show h9",
    "forbidden": "host list --os-cloud trunkline-demo",
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_reads_as_it_was_reviewed(terminal: Terminal, name: str) -> None:
    check_session(terminal, name, SESSIONS[name])


def _every_command() -> Iterator[tuple[str, click.Command]]:
    for command in commands:
        yield str(command.name), command
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield f"{command.name} {name}", inner


@pytest.mark.parametrize("line", [name for name, _ in _every_command()])
def test_help_teaches_by_example_and_names_the_exit_codes(line: str, tmp_path: Path) -> None:
    result = Terminal(tmp_path, "").run(f"{line} --help")
    assert result.exit_code == 0
    assert f"trunkline {line}" in result.output.split("\n", 1)[1], "an example"
    assert "Exit codes: 0 done" in result.output
    golden(f"help-{line.replace(' ', '-')}", result.output)


@pytest.mark.parametrize(
    "line",
    ["host list", "host show h1", "device list", "pf show h1 eth5", "network list",
     "network physical", "server show web", "events", "explain --nic network=red,vnic-type=direct"],
)  # fmt: skip
def test_json_is_one_document_with_what_the_api_gave(terminal: Terminal, line: str) -> None:
    found = terminal.json(line)
    assert found


def test_a_host_is_disabled_with_a_reason_and_enabled_again(terminal: Terminal) -> None:
    disabled = terminal.run("host disable h2 --reason dust")
    assert "disabled because  dust" in disabled.output
    assert not terminal.json("host show h2")["enabled"]
    assert "enabled" in terminal.run("host enable h2").output
    assert terminal.json("host show h2")["disabled_reason"] is None


def test_the_nodes_of_a_host_are_shown_with_what_is_used_of_them(
    world: TwoNetworks, terminal: Terminal
) -> None:
    nodes = (
        NumaNode(number=1, socket=0, cpus="8-15,24-31", memory_mib=32768),
        NumaNode(number=0, cpus="", memory_mib=1024),
    )
    world.h2.report(
        resources=HostResources(vcpus=16, memory_mib=65536, disk_gib=500, numa_nodes=nodes)
    )
    lines = terminal.run("host show h2").stdout.splitlines()
    assert [line for line in lines if line.startswith("NUMA")] == [
        "NUMA node 0  CPUs none; 0 of 0 vCPUs and 0 of 1024 MiB used by servers confined to it",
        (
            "NUMA node 1  socket 0, CPUs 8-15,24-31;"
            " 0 of 16 vCPUs and 0 of 32768 MiB used by servers confined to it"
        ),
    ]
    shown = terminal.json("host show h2")["numa_nodes"]
    assert [(node["number"], node["socket"], node["vcpus"]) for node in shown] == [
        (0, None, 0),
        (1, 0, 16),
    ]


def test_a_what_if_that_asks_nothing_is_a_mistake_on_the_command_line(terminal: Terminal) -> None:
    result = terminal.run("what-if")
    assert result.exit_code == 2
    assert "ask something: --drain, --lose-pf, --add-hosts, or a server" in result.output


def test_enrolment_tokens_are_made_listed_and_revoked(terminal: Terminal) -> None:
    made = terminal.json("host enrol-token create --host h7 --ttl 2h")
    assert len(made["token"]) >= 43
    [kept] = terminal.json("host enrol-token list")
    assert kept == made["enrolment_token"]
    assert (kept["host"], kept["state"]) == ("h7", "unused")
    shown = terminal.run("host enrol-token list").output
    assert made["token"] not in shown
    golden("enrol-token-list", without_chance(shown))
    assert terminal.run("host enrol-token create --ttl 2x").exit_code == 2
    assert terminal.run("host enrol-token create --ttl 31d").exit_code == 1
    assert terminal.run("host enrol-token create --os-cloud trunkline-demo").exit_code == 1
    assert terminal.run(f"host enrol-token revoke {kept['id']}").exit_code == 0
    assert terminal.run(f"host enrol-token revoke {kept['id']}").exit_code == 1
    assert terminal.json("host enrol-token list") == []
    assert "There are no enrolment tokens" in terminal.run("host enrol-token list").output


def test_the_token_is_what_is_printed_first(terminal: Terminal) -> None:
    lines = terminal.run("host enrol-token create").output.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["token", "id", "for host", "expires"]
    assert lines[2].endswith("any new one")


def test_network_pools_are_listed_with_what_is_free_of_them(
    world: TwoNetworks, terminal: Terminal
) -> None:
    card = pooled(a_card(5, "phy1", serial=9), PoolMode.HOSTDEV)
    AgentByHand(world.site.svc, "h3", card)
    check_session(terminal, "pool-list", "pool list")
    (pool,) = terminal.json("pool list --host h3")
    assert (pool["name"], pool["free"], pool["problem"]) == ("trunkline-phy1", 4, None)
    assert "No device spec" in terminal.run("pool list --host h1").output


def test_quotas_are_set_listed_and_removed(terminal: Terminal) -> None:
    set_ = terminal.run("quota set demo --limit 3 --physical-network phy1")
    golden("quota-set", set_.output)
    [item] = terminal.json("quota list --project demo")
    assert (item["resource"], item["physical_network"], item["limit"]) == ("vf", "phy1", 3)
    assert terminal.json("quota list --os-cloud trunkline-demo") == [item]
    assert terminal.run("quota set demo --limit 1 --os-cloud trunkline-demo").exit_code == 1
    assert terminal.run("quota set demo --limit -1").exit_code == 2
    assert terminal.run("quota unset demo").exit_code == 1
    assert terminal.run("quota unset demo --physical-network phy1").exit_code == 0
    assert terminal.json("quota list") == []


def test_quotas_of_all_projects_hold_where_one_has_none_of_its_own(terminal: Terminal) -> None:
    assert terminal.run("quota set --default --resource cores --limit 900").exit_code == 0
    [item] = terminal.json("quota list --project demo")
    assert (item["project"], item["resource"], item["limit"]) == ("demo", "cores", 900)
    assert terminal.run("quota set demo --resource cores --unlimited").exit_code == 0
    golden("quota-list-default", terminal.run("quota list").output)
    assert (
        terminal.run("quota set demo --resource cores --physical-network phy1 --limit 1").exit_code
        == 1
    )
    for wrong in ("set --limit 1", "set demo --default --limit 1", "set demo", "unset"):
        assert terminal.run(f"quota {wrong}").exit_code == 2
    assert terminal.run("quota unset --default --resource cores").exit_code == 0
    assert terminal.run("quota unset demo --resource cores").exit_code == 0
    assert terminal.json("quota list") == []


def test_filters_of_devices_narrow_each_other_down(terminal: Terminal) -> None:
    whole = terminal.json("server show whole")
    [by_server] = terminal.json(f"device list --server {whole['id']}")
    [by_port] = terminal.json(f"device list --port {whole['nics'][0]['port_id']} --kind pf")
    assert by_server == by_port
    assert by_server["address"] == whole["nics"][0]["device"]["address"]


def test_servers_ports_and_devices_are_found_by_name_as_by_id(terminal: Terminal) -> None:
    web = terminal.json("server show web")
    nic = web["nics"][0]
    for listing in ("device list", "events"):
        by_name = terminal.json(f"{listing} --server web")
        assert by_name == terminal.json(f"{listing} --server {web['id']}") != []
        by_port = terminal.json(f"{listing} --port web-blue")
        assert by_port == terminal.json(f"{listing} --port {nic['port_id']}") != []
    [device] = terminal.json("device list --port web-blue")
    by_id = terminal.json(f"events --device {device['id']}")
    assert by_id == terminal.json(f"events --device {device['host']}/{device['address']}") != []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("device list --server wbe", "server wbe could not be found"),
        ("device list --port no-such", "port no-such could not be found"),
        ("events --server wbe", "server wbe could not be found"),
        ("events --port no-such", "port no-such could not be found"),
        ("events --device h9/0000:05:00.1", "device h9/0000:05:00.1 could not be found"),
        ("events --server wbe --os-cloud trunkline-demo", "server wbe could not be found"),
    ],
)
def test_an_unknown_name_is_told_and_is_an_error(terminal: Terminal, line: str, said: str) -> None:
    result = terminal.run(line)
    assert result.exit_code == ExitCode.REFUSED
    assert said in result.output


def test_names_of_several_things_are_told_with_all_of_them(
    world: TwoNetworks, terminal: Terminal
) -> None:
    twins = [world.port(world.blue, "twin", VnicType.DIRECT).port.id for _ in range(2)]
    for line, candidates in (
        ("device list --port twin", twins),
        ("events --port twin", twins),
        ("events --device 0000:05:00.0", ["h1/0000:05:00.0", "h2/0000:05:00.0"]),
    ):
        result = terminal.run(line)
        assert result.exit_code == ExitCode.REFUSED
        assert all(candidate in result.output for candidate in candidates), result.output


def test_what_is_deleted_is_found_by_its_id(world: TwoNetworks, terminal: Terminal) -> None:
    web = terminal.json("server show web")["id"]
    delete_server(world.site.svc, world.demo, web)
    assert terminal.run("events --server web").exit_code == ExitCode.REFUSED
    assert "server.delete" in {event["action"] for event in terminal.json(f"events --server {web}")}
    assert {d["state"] for d in terminal.json(f"device list --server {web}")} == {"releasing"}


@pytest.mark.parametrize(
    ("nics", "code"), [(1, ExitCode.OK), (2, ExitCode.REFUSED)], ids=["fits", "does not fit"]
)
def test_the_installed_command_exits_as_the_command_in_it_does(
    terminal: Terminal, tmp_path: Path, nics: int, code: ExitCode
) -> None:
    wanted = ["--nic", "network=red,vnic-type=direct"] * nics
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", "explain", *wanted],
        env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
             "OS_CLOUD": "trunkline"},
        capture_output=True, text=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("It fits on host" in done.stdout) == (code is ExitCode.OK)


def test_a_ports_name_is_enough_for_explain(world: TwoNetworks, terminal: Terminal) -> None:
    world.port(world.red, "p9", VnicType.DIRECT)
    assert terminal.json("explain --port p9")["host"] == "h1"
    refused = terminal.run("explain --port p9 --host h2")
    assert refused.exit_code == ExitCode.REFUSED
    assert "not cabled" in refused.output
    smallest, there = refused.output.splitlines()[1:3]
    assert smallest == "Smallest change: ask for h1 instead of h2"
    assert there.startswith("To fit on h2: one more VF with e.physical_network=phy2 on offer")


@pytest.mark.parametrize(
    ("nic", "said"),
    [
        ("colour=blue", "'colour' is none of network, net-id"),
        ("network", "'network' lacks a value"),
        ("network=", "'network=' lacks a value"),
        ("vnic-type=direct", "must name a network or a port"),
        ("network=a,port=b", "must name a network or a port"),
        ("network=a,net-id=b", "net-id is given twice"),
        ("port=a,vnic-type=direct", "a port says itself what it is"),
    ],
)
def test_a_nic_that_is_not_understood_is_usage(tmp_path: Path, nic: str, said: str) -> None:
    result = Terminal(tmp_path, "").run(f"explain --nic {nic}")
    assert result.exit_code == ExitCode.USAGE
    assert said in " ".join(result.output.split())


def test_without_settings_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "nothing"), "OS_CLOUD": None,
               "HOME": str(tmp_path), "XDG_CONFIG_HOME": None}  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = Terminal(tmp_path, "").run("host list", environ=nowhere)
    assert result.exit_code == ExitCode.USAGE
    assert "--os-cloud NAME or set OS_CLOUD" in result.output


def test_nobody_there_is_told_with_url_and_remedy(world: TwoNetworks, tmp_path: Path) -> None:
    write_clouds(tmp_path, "http://127.0.0.1:1", world.site.passwords)
    result = Terminal(tmp_path, "").run("host list")
    assert result.exit_code == ExitCode.UNREACHABLE
    golden("connection-refused", result.output)


def test_a_wrong_password_is_told_with_what_to_check(terminal: Terminal) -> None:
    result = terminal.run("host list", environ={
        "OS_CLOUD": None, "OS_AUTH_URL": f"{terminal.url}/identity", "OS_USERNAME": "admin",
        "OS_PASSWORD": "wrong", "OS_PROJECT_NAME": "admin",
    })  # fmt: skip
    assert result.exit_code == ExitCode.REFUSED
    assert "check the username, password and project" in result.output
    assert "wrong" not in result.output


def test_piped_output_has_no_colours_and_no_trailing_blanks(terminal: Terminal) -> None:
    output = terminal.run("device list").output
    assert "\x1b" not in output
    assert all(line == line.rstrip() for line in output.splitlines())


def test_names_cannot_steer_the_terminal(world: TwoNetworks, terminal: Terminal) -> None:
    world.server("a\x1b[2Jb\nc", world.port(world.blue, "p\x07", VnicType.NORMAL))
    server = terminal.json("events --limit 1")[0]["server_id"]
    output = terminal.run(f"server show {server}").output
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "a\\x1b[2Jb\\nc" in output


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_quick_shows_no_progress_line() -> None:
    out = Tty()
    with progress_line("waiting", stream=out):
        pass
    assert out.getvalue() == ""


def test_what_takes_long_shows_a_line_that_goes_away_again() -> None:
    out, written = Tty(), threading.Event()
    out.flush = written.set  # type: ignore[method-assign]  # Tells that the line is out.
    with progress_line("waiting for x", stream=out, patience_seconds=0):
        assert written.wait(20)
    assert "waiting for x … 0 s" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[2K")


def test_without_a_terminal_the_line_is_plain_and_comes_once() -> None:
    out, written = io.StringIO(), threading.Event()
    out.flush = written.set  # type: ignore[method-assign]  # Tells that the line is out.
    with progress_line("waiting for x", stream=out, patience_seconds=0):
        assert written.wait(20)
    assert out.getvalue() == "waiting for x …\n"


def test_ctrl_c_ends_at_once_with_130_and_no_traceback(world: TwoNetworks, tmp_path: Path) -> None:
    """The service takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write_clouds(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", world.site.passwords)
        program = (
            "import click; from trunkline.cli import commands;"
            "click.Group(commands={str(c.name): c for c in commands})(['host', 'list'])"
        )
        started = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
                 "OS_CLOUD": "trunkline"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        silent.settimeout(60)
        accepted, _ = silent.accept()
        with accepted:
            accepted.recv(10)
            started.send_signal(signal.SIGINT)
            stdout, stderr = started.communicate(timeout=HANGS_SECONDS)
    assert started.returncode == ExitCode.INTERRUPTED
    assert (stdout, stderr) == ("", "trunkline: interrupted\n")


def test_pci_flavors_are_made_changed_shown_and_deleted(terminal: Terminal) -> None:
    session = (
        "pci-flavor list",
        "pci-flavor create 10g --match vendor_id=15b3,product_id=1004|1016 --description fast",
        r"pci-flavor create odd --match e.model~cx*,e.rack=~r[0-9]{1\,2} --match dev_type=pf",
        "pci-flavor set 10g --match vendor_id=8086",
        "pci-flavor list",
        "pci-flavor list --os-cloud trunkline-demo",
        "pci-flavor show odd",
        "pci-flavor create 10g --match vendor_id=8086",
        "pci-flavor create bad --match vendorid=8086 --match address=0000:05:00.0",
        "pci-flavor delete 10g",
        "pci-flavor delete 10g",
        "pci-flavor delete odd --os-cloud trunkline-demo",
    )
    text = ""
    for line in session:
        result = terminal.run(line)
        text += f"$ trunkline {line}\n{result.output}exit code {result.exit_code}\n\n"
    golden("pci-flavor-session", without_chance(text))
    assert terminal.json("pci-flavor show odd")["match"] == [
        {"e.model": {"glob": "cx*"}, "e.rack": {"regex": "r[0-9]{1,2}"}},
        {"dev_type": "pf"},
    ]


def test_an_expression_that_is_not_understood_is_usage(terminal: Terminal) -> None:
    result = terminal.run("pci-flavor create a --match vendor_id")
    assert result.exit_code == ExitCode.USAGE
    assert "'vendor_id' is no condition; write ATTRIBUTE=VALUE" in " ".join(result.output.split())
    result = terminal.run("pci-flavor set a")
    assert result.exit_code == ExitCode.USAGE
    assert "nothing to change: give --match or --description" in result.output
