"""The helper: what it can be asked, by whom, and about what; and what it makes of anything else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.sysfs_trees import Tree
from tests.unit.host.helper_scene import (
    MAC,
    ONLY_ME,
    OTHER_PF,
    OTHER_VF,
    PF,
    TAP,
    VF0,
    VF1,
    Recorder,
    address,
    framed,
    make_tree,
    permissions,
    raw,
    refused,
    running,
)
from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.device import OPENED
from trunkline.domain.ids import ServerId
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.host.linux.sysfs import BadContent
from trunkline.host.privileged import client, requests, server
from trunkline.host.privileged.client import HelperClient
from trunkline.host.privileged.permissions import NotAllowed
from trunkline.host.privileged.requests import BadMessage, parse_answer, parse_request
from trunkline.host.privileged.server import Callers, Helper
from trunkline.reconcile.interfaces import HostRefused

SERVER = ServerId("00000000-0000-4000-8000-00000000000a")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


def test_everything_on_the_list_reaches_the_kernel_as_it_was_asked(tree: Tree) -> None:
    change = VfChange(
        mac=MAC, vlan_id=100, vlan_qos=3, vlan_protocol=VlanProtocol.DOT1AD,
        spoof_check=True, trust=False,
        link_state=LinkState.ENABLE, min_tx_rate_mbps=5, max_tx_rate_mbps=50,
    )  # fmt: skip
    with running(tree) as (path, recorder):
        client = HelperClient(path)
        client.set_vf(address(PF), 0, change)
        client.set_vf_count(address(PF), 0)
        client.rename_netdev("eth2v0", "tl0123456789ab")
        client.set_pf_up(address(PF))
        client.reload_vf_driver(address(VF0))
        assert client.read_vpd(address(PF)) == bytes(range(256)) * 128
        assert len(client.read_console(SERVER)) == CONSOLE_BYTES_MAX
        client.set_bridge_vlan(TAP, 100, untagged=True)
        client.set_fdb_entry("eth2", MAC, vlan_id=100)
        client.set_fdb_entry("eth2", MAC, vlan_id=100, present=False)
    assert recorder.done == [
        ("set_vf", PF, 0, str(change)),
        ("set_vf_count", PF, 0),
        ("rename_netdev", "eth2v0", "tl0123456789ab"),
        ("set_pf_up", PF),
        ("reload_vf_driver", VF0),
        ("read_vpd", PF),
        ("read_console", SERVER),
        ("set_bridge_vlan", TAP, 100, True, True),
        ("set_fdb_entry", "eth2", str(MAC), 100, True),
        ("set_fdb_entry", "eth2", str(MAC), 100, False),
    ]


def test_a_refusal_of_the_kernel_comes_back_as_it_was(tree: Tree) -> None:
    told = HostRefused("ip link set …", "busy", errno_name="EBUSY", transient=True)
    with running(tree) as (path, recorder):
        recorder.refusal = told
        came = refused(lambda: HelperClient(path).set_vf(address(PF), 0, VfChange(trust=True)))
    assert (str(came), came.operation, came.errno_name, came.transient) == (
        str(told), told.operation, "EBUSY", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.set_vf(address(PF), 1, VfChange(trust=True)),
        lambda client: client.set_vf(address(PF), 7, VfChange(trust=True)),
        lambda client: client.set_vf(address(OTHER_PF), 0, VfChange(trust=True)),
        lambda client: client.set_vf(address("0000:ff:00.0"), 0, VfChange(trust=True)),
        lambda client: client.set_vf_count(address(OTHER_PF), 0),
        lambda client: client.set_vf_count(address(VF0), 0),
        lambda client: client.rename_netdev("eth2v1", "tl0"),
        lambda client: client.rename_netdev("eth2", "tl0"),
        lambda client: client.rename_netdev("eth3v0", "tl0"),
        lambda client: client.rename_netdev("lo", "tl0"),
        lambda client: client.set_pf_up(address(OTHER_PF)),
        lambda client: client.reload_vf_driver(address(VF1)),
        lambda client: client.reload_vf_driver(address(OTHER_VF)),
        lambda client: client.reload_vf_driver(address(PF)),
        lambda client: client.read_vpd(address(OTHER_PF)),
        lambda client: client.set_bridge_vlan("vnet1", 100),
        lambda client: client.set_bridge_vlan("br-phy1", 100),
        lambda client: client.set_bridge_vlan("vnet0", 100),
        lambda client: client.set_bridge_vlan("eth2", 100, untagged=True),
        lambda client: client.set_bridge_vlan("eth2", 1),
        lambda client: client.set_bridge_vlan("eth2", 1, member=False),
        lambda client: client.set_fdb_entry("eth3", MAC),
        lambda client: client.set_fdb_entry("vnet0", MAC),
    ],
)
def test_what_is_not_on_offer_is_not_touched(
    tree: Tree, ask: Callable[[HelperClient], object]
) -> None:
    with running(tree) as (path, recorder):
        refusal = refused(lambda: ask(HelperClient(path)))
    assert (refusal.errno_name, refusal.transient, refusal.unasked) == ("EPERM", False, True)
    assert recorder.done == []


def test_a_caller_of_more_groups_than_can_be_told_does_not_end_the_helper(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(_: socket.socket) -> list[int]:
        raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))

    with running(tree) as (path, recorder):
        with monkeypatch.context() as patched:
            patched.setattr(server, "peer_groups", too_many)
            assert raw(path, framed(json.dumps(GOOD).encode())) == b""
        HelperClient(path).set_vf(address(PF), 0, VfChange(trust=True))
    assert len(recorder.done) == 1


def test_the_netdev_of_a_pf_that_is_on_offer_itself_is_not_renamed(tree: Tree) -> None:
    whole: dict[str, object] = {"address": PF, "offer": "pf", "physical_network": "phy1"}
    allowed = permissions(tree, device_specs=(whole,))
    allowed.check(requests.SetVfCount(pf=address(PF), count=0))  # It is on offer.
    with pytest.raises(NotAllowed):
        allowed.check(requests.RenameNetdev(old="eth2", new="tl0"))


def test_vfs_are_not_taken_from_under_a_guest_and_idle_ones_on_vfio_go(tree: Tree) -> None:
    tree.bind(VF1, "vfio-pci")
    enabled = tree.device(VF1) / "enable"
    enabled.write_text("1\n")
    with running(tree) as (path, recorder):
        client = HelperClient(path)
        refusal = refused(lambda: client.set_vf_count(address(PF), 0))
        assert f"{VF1} ({OPENED})" in str(refusal)
        assert (refusal.errno_name, refusal.transient) == ("EBUSY", False)
        enabled.write_text("0\n")
        tree.bind(VF0, "vfio-pci")
        refusal = refused(lambda: client.reload_vf_driver(address(VF0)))
        assert "it is bound to vfio-pci" in str(refusal)
        assert recorder.done == []
        client.set_vf_count(address(PF), 0)
    assert len(recorder.done) == 1


GOOD = {"do": "set_vf", "pf": PF, "vf_index": 0, "trust": True}


@pytest.mark.parametrize(
    "changed",
    [
        {"do": "run"},
        {"do": None},
        {"pf": "05:00.0"},
        {"pf": "../../../../etc"},
        {"pf": "0000:05:00.0/../0000:06:00.0"},
        {"vf_index": -1},
        {"vf_index": 1 << 20},
        {"vf_index": "0"},
        {"vf_index": True},
        {"vlan_id": 100},
        {"vlan_id": 4095, "vlan_qos": 0},
        {"vlan_id": -1, "vlan_qos": 0},
        {"vlan_id": 1, "vlan_qos": 8},
        {"vlan_protocol": "802.1ad"},
        {"vlan_id": 1, "vlan_qos": 0, "vlan_protocol": "0x9100"},
        {"min_tx_rate_mbps": 1},
        {"min_tx_rate_mbps": 1, "max_tx_rate_mbps": 1 << 33},
        {"mac": "01:00:5e:00:00:01"},
        {"mac": "02:00:00:00:00"},
        {"link_state": "up"},
        {"spoof_check": 1},
        {"command": "id"},
    ],
)
def test_an_argument_out_of_its_range_is_no_request(changed: dict[str, object]) -> None:
    assert parse_request(json.dumps(GOOD).encode())
    with pytest.raises(BadMessage):
        parse_request(json.dumps({**GOOD, **changed}).encode())


@pytest.mark.parametrize(
    "request_",
    [
        *({"do": "rename_netdev", "old": "eth2v0", "new": new}
          for new in ("", ".", "..", "a/b", "a b", "x" * 16, "a\0", "a\n", "-a", "tl%d", "é")),
        {"do": "bind_driver", "address": VF0, "driver": "vfio-pci"},
        {"do": "set_vf_count", "pf": PF, "count": -1},
        {"do": "set_vf_count", "pf": PF, "count": 65536},
        {"do": "read_vpd", "address": "vpd"},
        {"do": "set_bridge_vlan", "ifname": "vnet0", "vlan_id": 0},
        {"do": "set_bridge_vlan", "ifname": "../eth2", "vlan_id": 1},
        {"do": "set_fdb_entry", "ifname": "eth2", "mac": "00:00:00:00:00:00"},
        {"do": "set_fdb_entry", "ifname": "eth2", "mac": "ff:ff:ff:ff:ff:ff"},
    ],
)  # fmt: skip
def test_names_and_addresses_that_can_not_be_are_no_request(request_: dict[str, object]) -> None:
    with pytest.raises(BadMessage):
        parse_request(json.dumps(request_).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\0\0\x05{}",
        b"\xff\xff\xff\xff" + b"x" * 100_000,
        framed(b"x" * (requests.REQUEST_BYTES_MAX + 1)),
        framed(b""),
        framed(b"null"),
        framed(b"\xff\xfe"),
        framed(b"[" * 2000),
        framed(b'{"do":"set_vf"}'),
    ],
)
def test_after_a_hostile_message_the_next_caller_is_served(tree: Tree, data: bytes) -> None:
    with running(tree) as (path, recorder):
        answer = raw(path, data)
        if answer:
            assert isinstance(parse_answer(answer[4:]), requests.Refused)
        HelperClient(path).set_vf(address(PF), 0, VfChange(trust=True))
    assert len(recorder.done) == 1


class Dripping(socket.socket):
    """A socket at whose other end somebody sends a byte a second."""

    def __init__(self, data: bytes) -> None:
        super().__init__(socket.AF_UNIX)
        self.now = 0.0
        self._data = data

    def recv(self, bytes_max: int, flags: int = 0, /) -> bytes:
        patience = self.gettimeout()
        assert patience is not None
        self.now += min(1.0, patience)
        if patience < 1.0:
            raise TimeoutError("timed out")
        first, self._data = self._data[:1], self._data[1:]
        return first


def test_a_message_has_to_be_there_in_time_and_not_only_a_byte_of_it_now_and_then() -> None:
    with Dripping(framed(b"x" * 1000)) as channel:
        with pytest.raises(TimeoutError):
            requests.receive(channel, 2048, seconds=5.5, monotonic=lambda: channel.now)
        assert channel.now == 5.5
    with Dripping(framed(b"{}")) as channel:
        assert requests.receive(channel, 2048, seconds=8, monotonic=lambda: channel.now) == b"{}"


@pytest.mark.parametrize(
    "problem", [FileNotFoundError(errno.ENOENT, "gone"), BadContent("vendor", "holds nothing")]
)
def test_what_sysfs_fails_with_is_a_refusal_and_the_next_caller_is_served(
    tree: Tree, problem: Exception
) -> None:
    with running(tree) as (path, recorder):
        recorder.refusal = problem
        refusal = refused(lambda: HelperClient(path).set_vf_count(address(PF), 0))
        assert str(problem) in str(refusal)
        recorder.refusal = None
        HelperClient(path).set_vf_count(address(PF), 0)
    assert len(recorder.done) == 1


def test_a_caller_that_is_not_known_gets_no_answer(tree: Tree) -> None:
    nobody = Callers(users={os.getuid() + 1}, groups={os.getgid() + 54_321})
    with running(tree, callers=nobody) as (path, recorder):
        assert raw(path, framed(json.dumps(GOOD).encode())) == b""
        refusal = refused(lambda: HelperClient(path).set_vf_count(address(PF), 0))
    assert refusal.transient
    assert refusal.unasked
    assert "journalctl" in str(refusal)
    assert recorder.done == []


def test_a_caller_is_known_by_any_of_its_groups(tree: Tree) -> None:
    by_group = Callers(users=(), groups={os.getgid()})
    with running(tree, callers=by_group) as (path, recorder):
        HelperClient(path).set_vf_count(address(PF), 0)
    assert len(recorder.done) == 1
    assert Callers(users={1}, groups={5}).include(2, [9, 5])
    assert not Callers(users={1}, groups={5}).include(2, [9])
    assert not Callers(users={1}).include(2, [1])


def test_without_a_helper_the_operator_is_told_what_to_start(tmp_path: Path) -> None:
    refusal = refused(lambda: HelperClient(tmp_path / "none").set_vf_count(address(PF), 0))
    assert "systemctl" in str(refusal)
    assert refusal.transient
    assert refusal.unasked


def test_a_vf_that_has_just_come_may_be_set_at_once(tree: Tree) -> None:
    allowed = permissions(tree)
    tree.remove(VF0)
    request = parse_request(json.dumps(GOOD).encode())
    with pytest.raises(NotAllowed):
        allowed.check(request)
    tree.add(VF0)
    tree.make_vf(VF0, of=PF, index=0)
    allowed.check(request)


def test_a_pf_without_vfs_may_get_some_if_they_would_be_on_offer(tree: Tree) -> None:
    for vf in (VF0, VF1, OTHER_VF):
        tree.remove(vf)
    with running(tree) as (path, recorder):
        HelperClient(path).set_vf_count(address(PF), 4)
        refused(lambda: HelperClient(path).set_vf_count(address(OTHER_PF), 4))
    assert recorder.done == [("set_vf_count", PF, 4)]


def test_a_vf_is_judged_by_a_reading_no_older_than_a_second(tree: Tree) -> None:
    now = [0.0]
    allowed = permissions(tree, monotonic=lambda: now[0])
    request = parse_request(json.dumps(GOOD).encode())
    allowed.check(request)
    tree.remove(VF0)
    now[0] = 1.5
    with pytest.raises(NotAllowed):
        allowed.check(request)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_none(data: bytes) -> None:
    with contextlib.suppress(BadMessage):
        parse_request(data)
    with contextlib.suppress(BadMessage):
        parse_answer(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = (
    *("do", "pf", "vf", "vf_index", "mac", "vlan_id", "vlan_qos", "link_state", "old", "new"),
    *("address", "count", "ifname", "min_tx_rate_mbps", "max_tx_rate_mbps"),
)
VERBS = ("set_vf", "set_vf_count", "rename_netdev", "set_pf_up", "reload_vf_driver", "read_vpd",
         "set_bridge_vlan", "set_fdb_entry")  # fmt: skip
PLAUSIBLE = st.sampled_from(
    (PF, VF0, OTHER_PF, "eth2v0", "vnet0", "eth2", str(MAC), 0, 1, 100, 4095)
)


@given(st.sampled_from(VERBS), st.dictionaries(st.sampled_from(FIELDS), JSON | PLAUSIBLE))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_only_what_is_on_offer_is_touched(
    tree: Tree, verb: str, values: dict[str, object]
) -> None:
    recorder = Recorder()
    helper = Helper(recorder, permissions(tree), ONLY_ME)
    near, far = socket.socketpair()
    with near, far:
        near.sendall(framed(json.dumps({**values, "do": verb}).encode())[: 1 << 12])
        near.shutdown(socket.SHUT_WR)
        helper.answer(far)
    for what, subject, *_ in recorder.done:
        allowed = {"set_vf": {PF}, "set_vf_count": {PF}, "read_vpd": {PF},
                   "rename_netdev": {"eth2v0"}, "set_pf_up": {PF}, "reload_vf_driver": {VF0},
                   "set_bridge_vlan": {"vnet0"}, "set_fdb_entry": {"eth2"}}  # fmt: skip
        assert subject in allowed[what]


def test_the_agent_does_not_wait_for_a_console_as_long_as_for_vfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.CONSOLE_SECONDS < client.TIMEOUT_SECONDS / 10
    monkeypatch.setattr(client, "CONSOLE_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(tmp_path / "helper.sock"))
        busy.listen()
        ask = HelperClient(tmp_path / "helper.sock")
        refusal = refused(lambda: ask.read_console(SERVER))
    assert refusal.transient
