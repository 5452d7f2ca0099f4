"""What is wrong with a PF by what the kernel and its driver tell by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sysfs_trees import Tree
from tests.unit.host.linux.devlink_bytes import (
    ANSWERED,
    device_gone,
    family,
    header,
    port_gone,
    reporter,
)
from trunkline.domain.device import NOT_RECOVERED, RECOVERING
from trunkline.domain.pci import PciAddress
from trunkline.host.linux.card_faults import CardFaults, uncorrectable_errors
from trunkline.host.linux.devlink_messages import Family, parse_event, parse_family
from trunkline.host.linux.netlink import Malformed
from trunkline.host.linux.uevents import parse_uevent

PORT, PF, VF, OTHER = "0000:00:10.0", "0000:05:00.0", "0000:05:10.0", "0000:06:00.0"
AT = PciAddress.parse(PF)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """PF and VF below a port, another PF beside it."""
    tree = Tree(tmp_path)
    for address, way in (
        (PORT, PORT), (PF, f"{PORT}/{PF}"), (VF, f"{PORT}/{VF}"), (OTHER, f"0000:00:11.0/{OTHER}")
    ):  # fmt: skip
        link = tmp_path / "bus/pci/devices" / address
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../devices/pci0000:00/{way}")
    return tree


@pytest.fixture
def faults(tree: Tree) -> CardFaults:
    return CardFaults(tree.root)


def tell(faults: CardFaults, function: str, recovery: str = "", *, action: str = "change") -> None:
    """As the kernel words it."""
    way = f"/devices/pci0000:00/{'' if function == PORT else PORT + '/'}{function}"
    lines = [f"{action}@{way}", f"ACTION={action}", f"DEVPATH={way}", "SUBSYSTEM=pci"]
    lines += [f"ERROR_EVENT={recovery}", "DEVICE_ONLINE=0"] if recovery else []
    event = parse_uevent("\0".join([*lines, "SEQNUM=1", ""]).encode())
    assert event is not None
    faults.note_uevent(event)


def say(faults: CardFaults, message: bytes) -> bool:
    event = parse_event(memoryview(message))
    assert event is not None
    news = faults.note_health(event)
    assert news in (frozenset(), {PF})
    return bool(news)


def test_a_pf_is_in_fault_while_it_recovers(faults: CardFaults) -> None:
    tell(faults, PF, "BEGIN_RECOVERY")
    assert faults.of(AT) == RECOVERING
    tell(faults, PF, "SUCCESSFUL_RECOVERY")
    assert faults.of(AT) == ""


def test_what_a_vf_recovers_from_is_no_fault_of_its_pf(faults: CardFaults) -> None:
    tell(faults, VF, "BEGIN_RECOVERY")
    assert faults.of(AT) == ""


@pytest.mark.parametrize("told_of", [PORT, PF])
def test_a_recovery_that_failed_stays_a_fault_of_all_below(
    faults: CardFaults, told_of: str
) -> None:
    tell(faults, PF, "BEGIN_RECOVERY")
    tell(faults, told_of, "FAILED_RECOVERY")
    faults.forget_recovering()
    assert faults.of(AT) == NOT_RECOVERED
    assert faults.of(PciAddress.parse(OTHER)) == ""
    tell(faults, PF, action="unbind")
    assert faults.of(AT) == NOT_RECOVERED


@pytest.mark.parametrize("action", ["bind", "remove", "add"])
def test_a_pf_begins_anew_with_its_driver(faults: CardFaults, action: str) -> None:
    tell(faults, PORT, "FAILED_RECOVERY")
    tell(faults, PF, action=action)
    assert faults.of(AT) == ""


def test_a_recovery_whose_end_may_have_been_lost_is_forgotten(faults: CardFaults) -> None:
    tell(faults, PF, "BEGIN_RECOVERY")
    faults.forget_recovering()
    assert faults.of(AT) == ""


def test_reporters_in_error_are_named_until_they_are_healthy(faults: CardFaults) -> None:
    assert say(faults, reporter("pci", PF, "fw_fatal", state=1))
    assert faults.of(AT) == (
        f"devlink's health reporter fw_fatal told of an error: `devlink health show pci/{PF}"
        f" reporter fw_fatal`, and `devlink health recover pci/{PF} reporter fw_fatal`"
    )
    assert say(faults, reporter("pci", PF, "tx", state=1, port=65535))
    assert "fw_fatal and tx told" in faults.of(AT)
    assert say(faults, reporter("pci", PF, "fw_fatal", state=0))
    assert not say(faults, reporter("pci", PF, "tx", state=0)), "the port's own says nothing yet"
    assert faults.of(AT) == (
        f"devlink's health reporter tx told of an error: `devlink health show pci/{PF}/65535"
        f" reporter tx`, and `devlink health recover pci/{PF}/65535 reporter tx`"
    )
    assert say(faults, reporter("pci", PF, "tx", state=0, port=65535))
    assert faults.of(AT) == ""


def test_a_reporter_that_can_not_recover_is_a_log_and_no_fault(faults: CardFaults) -> None:
    assert not say(faults, reporter("pci", PF, "mdd", state=1, can_recover=False))
    assert faults.of(AT) == ""
    assert say(faults, reporter("pci", PF, "fw_fatal", state=1))
    assert "reporter fw_fatal told" in faults.of(AT)


def test_what_devlink_answers_is_as_what_it_tells_by_itself(faults: CardFaults) -> None:
    assert not say(faults, reporter("pci", PF, "fw", state=0, command=ANSWERED))
    assert say(faults, reporter("pci", PF, "fw", state=1, command=ANSWERED))
    assert not say(faults, reporter("pci", PF, "fw", state=1, command=ANSWERED)), "known already"
    assert faults.of(AT) != ""


def test_reporters_go_with_their_device(faults: CardFaults) -> None:
    say(faults, reporter("pci", PF, "fw", state=1))
    assert say(faults, device_gone("pci", PF))
    assert faults.of(AT) == ""


def test_a_ports_reporters_go_with_it(faults: CardFaults) -> None:
    say(faults, reporter("pci", PF, "tx", state=1, port=1))
    assert not say(faults, port_gone("pci", PF, 2))
    assert say(faults, port_gone("pci", PF, 1))
    assert faults.of(AT) == ""
    say(faults, reporter("pci", PF, "fw", state=1))
    assert not say(faults, port_gone("pci", PF, 1))
    assert faults.of(AT) != ""


def test_lost_events_of_functions_take_nothing_from_what_devlink_told(faults: CardFaults) -> None:
    say(faults, reporter("pci", PF, "fw", state=1))
    faults.forget_recovering()
    assert "reporter fw told" in faults.of(AT)


def test_devices_of_another_bus_are_no_pfs(faults: CardFaults) -> None:
    assert not say(faults, reporter("netdevsim", PF, "dummy", state=1))
    assert faults.of(AT) == ""


def test_the_group_that_is_told_of_changes() -> None:
    answer = family(id_=31, groups={"other": 13, "config": 14})
    assert parse_family(memoryview(answer)) == Family(31, 14)


@pytest.mark.parametrize(
    "answer", [b"", b"\1", family(id_=31, groups={"other": 13}), header(1), header(2)]
)
def test_an_answer_without_that_group_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        parse_family(memoryview(answer))


def test_what_is_about_other_things_is_passed_over() -> None:
    assert parse_event(memoryview(header(7))) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_none_or_malformed(payload: bytes) -> None:
    for message in (payload, header(54) + payload):
        try:
            parse_event(memoryview(message))
        except Malformed:
            continue


AER = "Undefined 0\nDLP 0\nTLP {tlp}\nTOTAL_ERR_{kind} {total}\n"


def test_uncorrectable_errors_are_those_of_both_kinds(tmp_path: Path) -> None:
    assert uncorrectable_errors(str(tmp_path)) is None
    (tmp_path / "aer_dev_correctable").write_text(AER.format(tlp=9, kind="COR", total=9))
    assert uncorrectable_errors(str(tmp_path)) is None
    (tmp_path / "aer_dev_fatal").write_text(AER.format(tlp=1, kind="FATAL", total=1))
    (tmp_path / "aer_dev_nonfatal").write_text(AER.format(tlp=2, kind="NONFATAL", total=2))
    assert uncorrectable_errors(str(tmp_path)) == 3
