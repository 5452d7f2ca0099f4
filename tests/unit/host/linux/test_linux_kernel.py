"""LinuxKernel and DirectWrites over a tree and an rtnetlink that are made up."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.support.sysfs_trees import Tree
from tests.support.tried_kernel import Kept
from tests.unit.host.linux.link_bytes import Vf, new_link
from trunkline.domain.device import RECOVERING, DeviceKind, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VlanProtocol
from trunkline.domain.vf_capabilities import VfCapabilities
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.card_faults import CardFaults
from trunkline.host.linux.inventory import PfDriver
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.linux.link_messages import RTM_GETLINK, RTM_SETLINK
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.probing import LinuxTrials
from trunkline.host.linux.uevents import Uevent
from trunkline.host.linux.vf_count import NETDEVS_QUIET_SECONDS, WAIT_SECONDS, set_vf_count
from trunkline.host.linux.watch import LinuxWatch
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.interfaces import PrivilegedWrites
from trunkline.reconcile.interfaces import HostRefused, TrialOutcome

PF = PciAddress.parse("0000:05:00.0")
ABLE = VfCapabilities(link_states=frozenset(LinkState), min_tx_rate=True, max_tx_rate=True)


@dataclass
class ScriptedRtnetlink:
    """Answers every request with the same link, or the same refusal."""

    link: bytes = b""
    refusal: OSError | Malformed | None = None
    requests: list[tuple[int, bytes]] = field(default_factory=list)

    def exchange(self, type_: int, payload: bytes, *, flags: int = 0) -> list[memoryview]:
        self.requests.append((type_, payload))
        if self.refusal is not None:
            raise self.refusal
        return [memoryview(self.link)] if type_ == RTM_GETLINK else []


@dataclass
class QuietNews:
    """Nothing ever happens, or what `then` does, once."""

    then: Callable[[], None] | None = None

    def wait(self, seconds: float, concerns: Callable[[str], bool]) -> bool:
        if self.then is None:
            return False
        happens, self.then = self.then, None
        happens()
        return True


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "sys")
    tree.add(
        str(PF), product="0x10c9", driver="igb", netdevs={"eth2": {"ifindex": "7", "carrier": "1"}}
    )
    tree.make_pf(str(PF))
    return tree


def kernel_of(
    tree: Tree,
    rtnetlink: ScriptedRtnetlink,
    *,
    able: VfCapabilities = ABLE,
    firmware: str = "1.2",
    news: QuietNews | None = None,
) -> LinuxKernel:
    writes = DirectWrites(
        rtnetlink=rtnetlink,
        sysfs_root=tree.root,
        listen=lambda: nullcontext(news or QuietNews()),
        is_named=lambda _: True,
    )
    capabilities = Capabilities(None)
    capabilities.remember(PfDriver("igb", "1.2"), able)
    return LinuxKernel(
        writes,
        rtnetlink=rtnetlink,
        sysfs_root=tree.root,
        proc_root=tree.root.parent / "proc",
        firmware=lambda _ifname: firmware,
        capabilities=capabilities,
    )


def refused(act: Callable[[], object]) -> HostRefused:
    with pytest.raises(HostRefused) as caught:
        act()
    return caught.value


def test_the_boot_is_the_kernels(tree: Tree) -> None:
    path = tree.root.parent / "proc/sys/kernel/random/boot_id"
    kernel = kernel_of(tree, ScriptedRtnetlink())
    assert str(path) in str(refused(kernel.boot_id))
    path.parent.mkdir(parents=True)
    path.write_text("c0ffee\n")
    assert kernel.boot_id() == "c0ffee"


def test_all_vfs_are_read_with_one_request(tree: Tree) -> None:
    rtnetlink = ScriptedRtnetlink(new_link([Vf(0), Vf(1, vlan=5, spoof_check=1, trust=1)]))
    kernel = kernel_of(tree, rtnetlink)
    found = kernel.vf_settings(PF)
    before = len(rtnetlink.requests)
    kernel.vf_settings(PF)
    assert [type_ for type_, _ in rtnetlink.requests[before:]] == [RTM_GETLINK]
    assert (found[0].spoof_check, found[0].trust) == (None, None)
    assert (found[1].vlan_id, found[1].spoof_check, found[1].trust) == (5, True, True)
    assert (found[1].link_state, found[1].min_tx_rate_mbps) == (LinkState.AUTO, 0)


def test_what_was_heard_of_a_pf_and_its_names_are_told_with_it(tree: Tree) -> None:
    names = tree.root / "pci.ids"
    names.write_text("8086  Intel Corporation\n\t10c9  82576 Gigabit Network Connection\n")
    (tree.device(str(PF)) / "aer_dev_fatal").write_text("TLP 2\nTOTAL_ERR_FATAL 2\n")
    faults = CardFaults(tree.root)
    kernel = LinuxKernel(
        DirectWrites(sysfs_root=tree.root),
        rtnetlink=ScriptedRtnetlink(new_link()),
        sysfs_root=tree.root,
        firmware=lambda _ifname: None,
        faults=faults,
        pci_ids=[tree.root / "none", names],
    )
    found = kernel.functions()[PF]
    assert (found.vendor_name, found.product_name) == (
        "Intel Corporation", "82576 Gigabit Network Connection",
    )  # fmt: skip
    assert (found.fault, found.uncorrectable_errors) == ("", 2)
    with LinuxWatch(on_news=lambda: None, sysfs_root=tree.root, faults=faults) as watch:
        news = watch._from_uevent(Uevent("change", "pci", f"/devices/{PF}", "BEGIN_RECOVERY"))
    assert news.pfs == {PF}
    assert kernel.functions()[PF].fault == RECOVERING


def test_of_what_a_driver_can_not_do_its_zero_is_not_believed(tree: Tree) -> None:
    rtnetlink = ScriptedRtnetlink(new_link([Vf(0, spoof_check=1, trust=0)]))
    found = kernel_of(tree, rtnetlink, able=VfCapabilities()).vf_settings(PF)[0]
    assert (found.link_state, found.min_tx_rate_mbps, found.max_tx_rate_mbps) == (None, None, None)
    assert (found.spoof_check, found.trust) == (True, False)


def test_a_driver_that_can_not_let_a_link_follow_the_pfs_has_it_up_for_that(tree: Tree) -> None:
    able = VfCapabilities(link_states=frozenset({LinkState.ENABLE, LinkState.DISABLE}))
    rtnetlink = ScriptedRtnetlink(new_link([Vf(0, link_state=1), Vf(1, link_state=2)]))
    kernel = kernel_of(tree, rtnetlink, able=able)
    found = kernel.vf_settings(PF)
    assert (found[0].link_state, found[1].link_state) == (LinkState.AUTO, LinkState.DISABLE)
    kernel.set_vf(PF, 1, VfChange(link_state=LinkState.AUTO))
    kernel.set_vf(PF, 1, VfChange(link_state=LinkState.ENABLE))
    first, second = (payload for type_, payload in rtnetlink.requests if type_ == RTM_SETLINK)
    assert first == second
    other = kernel_of(tree, rtnetlink)
    assert other.vf_settings(PF)[0].link_state is LinkState.ENABLE
    other.set_vf(PF, 1, VfChange(link_state=LinkState.AUTO))
    assert rtnetlink.requests[-1] != (RTM_SETLINK, second)


def test_another_firmware_is_another_driver(tree: Tree) -> None:
    rtnetlink = ScriptedRtnetlink(new_link([Vf(0)]))
    seen = kernel_of(tree, rtnetlink, firmware="1.2").vf_settings(PF)[0]
    table = kernel_of(tree, rtnetlink, firmware="1.3").vf_settings(PF)[0]
    assert (seen.link_state, table.link_state) == (LinkState.AUTO, None)


def test_a_vf_with_a_vlan_of_another_protocol_is_not_said_to_have_that_vlan(tree: Tree) -> None:
    vfs = [Vf(0), Vf(1, vlan=5, protocol=0x9100), Vf(2, vlan=5, protocol=0x88A8)]
    found = kernel_of(tree, ScriptedRtnetlink(new_link(vfs))).vf_settings(PF)
    assert list(found) == [0, 2]
    assert (found[2].vlan_id, found[2].vlan_protocol) == (5, VlanProtocol.DOT1AD)


def test_settings_of_one_vf_are_written_with_one_request(tree: Tree) -> None:
    rtnetlink = ScriptedRtnetlink()
    change = VfChange(mac=MacAddress.parse("02:00:00:00:00:0a"), vlan_id=5, vlan_qos=0, trust=True)
    kernel_of(tree, rtnetlink).set_vf(PF, 1, change)
    assert [type_ for type_, _ in rtnetlink.requests] == [RTM_SETLINK]


@pytest.mark.parametrize(
    ("number", "name", "transient"),
    [
        (errno.EINVAL, "EINVAL", False),
        (errno.EOPNOTSUPP, "EOPNOTSUPP", False),
        (errno.EPERM, "EPERM", False),
        (errno.EAGAIN, "EAGAIN", True),
        (errno.EBUSY, "EBUSY", True),
    ],
)
def test_a_refusal_names_command_errno_and_the_drivers_words(
    tree: Tree, number: int, name: str, transient: bool
) -> None:
    rtnetlink = ScriptedRtnetlink(refusal=OSError(number, "so the driver says"))
    refusal = refused(lambda: kernel_of(tree, rtnetlink).set_vf(PF, 1, VfChange(trust=True)))
    assert str(refusal) == f"ip link set eth2 vf 1 trust on: so the driver says ({name})"
    assert (refusal.errno_name, refusal.transient) == (name, transient)


def test_an_answer_that_can_not_be_read_is_a_refusal(tree: Tree) -> None:
    rtnetlink = ScriptedRtnetlink(link=b"short")
    assert "rtnetlink" in str(refused(lambda: kernel_of(tree, rtnetlink).vf_settings(PF)))


def test_a_pf_that_is_gone_or_has_no_netdev_is_enodev(tree: Tree) -> None:
    kernel = kernel_of(tree, ScriptedRtnetlink(new_link()))
    nowhere = PciAddress.parse("0000:ff:00.0")
    for act in (
        lambda: kernel.vf_settings(nowhere),
        lambda: kernel.set_vf(nowhere, 0, VfChange(trust=True)),
        lambda: kernel.set_vf_count(nowhere, 1),
    ):
        assert refused(act).errno_name == "ENODEV"
    (tree.device(str(PF)) / "net").rename(tree.root / "elsewhere")
    assert "no netdev" in str(refused(lambda: kernel.vf_settings(PF)))


def test_a_bad_file_is_a_refusal_that_names_it(tree: Tree) -> None:
    (tree.device(str(PF)) / "vendor").write_text("none")
    refusal = refused(kernel_of(tree, ScriptedRtnetlink(new_link())).functions)
    assert f"{PF}/vendor" in str(refusal)


def make_vfs(tree: Tree, *, driver: str | None) -> None:
    for index in range(2):
        tree.add(f"0000:05:10.{index}", driver=driver)
        tree.make_vf(f"0000:05:10.{index}", of=str(PF), index=index)


def test_vfs_that_come_late_are_waited_for(tree: Tree) -> None:
    news = QuietNews(then=lambda: make_vfs(tree, driver="igbvf"))
    kernel = kernel_of(tree, ScriptedRtnetlink(new_link()), news=news)
    kernel.set_vf_count(PF, 2)
    assert kernel.functions()[PF].vf_count == 2
    assert news.then is None


def test_vfs_that_never_come_are_told(tree: Tree) -> None:
    kernel = kernel_of(tree, ScriptedRtnetlink(new_link()))
    refusal = refused(lambda: kernel.set_vf_count(PF, 2))
    assert "the kernel says 2 VFs, and 0 came" in str(refusal)
    assert refusal.transient


@dataclass
class Churn:
    """Events without end, each a tenth of a second after the last; `then` with the first."""

    functions: tuple[str, ...]
    then: Callable[[], None] = lambda: None
    now: float = 0.0

    def wait(self, seconds: float, concerns: Callable[[str], bool]) -> bool:
        if not any(map(concerns, self.functions)):
            self.now += seconds
            return False
        self.now += 0.1
        self.then()
        assert self.now < 60, "waits for ever"
        return True


def count_vfs(
    tree: Tree, count: int, news: Churn, is_named: Callable[[str], bool] = lambda _: True
) -> None:
    set_vf_count(
        str(tree.device(str(PF))),
        count,
        listen=lambda: nullcontext(news),
        is_named=is_named,
        monotonic=lambda: news.now,
    )


def test_vfs_to_which_something_happens_all_the_time_are_not_waited_for_for_ever(
    tree: Tree,
) -> None:
    make_vfs(tree, driver="igbvf")
    news = Churn(functions=("0000:05:10.1",))
    count_vfs(tree, 2, news)
    assert WAIT_SECONDS <= news.now < WAIT_SECONDS + 1


def test_what_happens_to_other_cards_is_not_waited_for(tree: Tree) -> None:
    make_vfs(tree, driver="igbvf")
    tree.add("0000:06:00.0")
    news = Churn(functions=("0000:06:00.0", "0000:06:10.0"))
    count_vfs(tree, 2, news)
    assert news.now == NETDEVS_QUIET_SECONDS


def test_vfs_have_come_once_udev_has_named_their_netdevs(tree: Tree) -> None:
    make_vfs(tree, driver="igbvf")
    news = Churn(functions=())
    asked: list[float] = []

    def is_named(netdev: str) -> bool:
        asked.append(news.now)
        return news.now >= 5

    (tree.device("0000:05:10.1") / "net/eth2v0").mkdir(parents=True)
    count_vfs(tree, 2, news, is_named)
    assert 5 <= news.now < 5.1
    assert len(asked) < 120


def test_netdevs_that_udev_never_names_are_not_waited_for_for_ever(tree: Tree) -> None:
    make_vfs(tree, driver="igbvf")
    (tree.device("0000:05:10.1") / "net/eth2v0").mkdir(parents=True)
    news = Churn(functions=())
    count_vfs(tree, 2, news, lambda _: False)
    assert WAIT_SECONDS <= news.now < WAIT_SECONDS + 1


def test_vfs_that_never_come_while_others_churn_are_told(tree: Tree) -> None:
    refusal = refused(lambda: count_vfs(tree, 2, Churn(functions=(str(PF),))))
    assert refusal.errno_name == "ETIMEDOUT"


def test_a_pf_that_goes_away_while_its_vfs_are_waited_for_is_a_refusal(tree: Tree) -> None:
    news = Churn(functions=(str(PF),), then=lambda: tree.remove(str(PF)))
    refusal = refused(lambda: count_vfs(tree, 2, news))
    assert refusal.errno_name == "ENODEV"
    assert "went away" in str(refusal)


def test_a_driver_that_enables_fewer_vfs_is_found_out_by_counting(tree: Tree) -> None:
    make_vfs(tree, driver=None)  # Of 5 that are asked for.

    def says_two() -> None:
        (tree.device(str(PF)) / "sriov_numvfs").write_text("2\n")

    news = QuietNews(then=says_two)
    kernel = kernel_of(tree, ScriptedRtnetlink(new_link()), news=news)
    kernel.set_vf_count(PF, 5)
    assert kernel.functions()[PF].vf_count == 2


def test_a_function_without_sriov_has_no_vf_count(tree: Tree) -> None:
    tree.add("0000:00:1f.0")
    kernel = kernel_of(tree, ScriptedRtnetlink(new_link()))
    refusal = refused(lambda: kernel.set_vf_count(PciAddress.parse("0000:00:1f.0"), 2))
    assert (refusal.errno_name, refusal.transient) == ("EOPNOTSUPP", False)
    assert "no SR-IOV" in str(refusal)


def test_a_serial_number_that_can_not_be_read_is_none(tree: Tree) -> None:
    (tree.device(str(PF)) / "vpd").write_bytes(b"\xff" * 64)
    assert kernel_of(tree, ScriptedRtnetlink(new_link())).functions()[PF].serial is None
    (tree.device(str(PF)) / "vpd").write_bytes(b"\x90\x07\x00SN\x04AB12\x78")
    assert kernel_of(tree, ScriptedRtnetlink(new_link())).functions()[PF].serial == "AB12"


@pytest.mark.parametrize(("renames", "told"), [(0, True), (2, True), (6, False)])
def test_a_netdev_that_udev_renames_meanwhile_still_tells_its_mac(
    tree: Tree, renames: int, *, told: bool
) -> None:
    left = [OSError(errno.ENODEV, "No such device")] * renames

    def firmware(_ifname: str) -> str:
        if left:
            raise left.pop()
        return "1.2"

    rtnetlink = ScriptedRtnetlink(new_link([Vf(0)]))
    kernel = LinuxKernel(
        DirectWrites(rtnetlink=rtnetlink, sysfs_root=tree.root),
        rtnetlink=rtnetlink,
        sysfs_root=tree.root,
        firmware=firmware,
    )
    assert (kernel.functions()[PF].mac is not None) == told
    assert kernel.functions()[PF].mac == MacAddress("00:1b:21:00:00:01"), (
        "it is asked again until it has told"
    )


@dataclass
class Links:
    """A PF with one VF. Satisfies `PrivilegedWrites` as far as its link state goes."""

    rtnetlink: ScriptedRtnetlink
    state: LinkState = LinkState.AUTO

    def __post_init__(self) -> None:
        self._show()

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self.state = change.link_state or self.state
        self._show()

    def _show(self) -> None:
        self.rtnetlink.link = new_link([Vf(0, link_state=list(LinkState).index(self.state))])


def test_a_driver_that_has_gained_auto_is_seen_to_have_it(tree: Tree, tmp_path: Path) -> None:
    """By the older verdict, which holds until it is tried again, `enable` stands for `auto`."""
    both = frozenset({LinkState.ENABLE, LinkState.DISABLE})
    igb = PfDriver("igb", "1.2")
    path = tmp_path / "capabilities.json"
    Capabilities(path, kernel="6.1").remember(igb, VfCapabilities(link_states=both))
    seen = Capabilities(path, kernel="6.12")
    links = Links(ScriptedRtnetlink())
    kernel = LinuxKernel(
        cast("PrivilegedWrites", links),
        rtnetlink=links.rtnetlink,
        sysfs_root=tree.root,
        firmware=lambda _ifname: "1.2",
        capabilities=seen,
    )
    pf = kernel.functions()[PF]
    vf = PciFunction(
        address=PciAddress.parse("0000:05:10.0"), kind=DeviceKind.VF, vendor_id="8086",
        product_id="10ca", pf_address=PF, vf_index=0,
    )  # fmt: skip
    kept = Kept()
    outcome = LinuxTrials(kernel, seen).try_out(
        {each.address: each for each in (pf, vf)}, lambda: {vf.address}, kept
    )
    assert outcome == TrialOutcome(learned=True)
    assert seen.of(igb).link_states == frozenset(LinkState)
    assert (links.state, kept.tried) == (LinkState.AUTO, {})
