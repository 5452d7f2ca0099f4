"""Disks in plans: made before all else, waited for without impatience, never made twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reconcile.scenes import (
    IGB,
    VIF_TYPES,
    a_config,
    a_domain,
    a_host,
    a_nic,
    a_server,
    server_id,
    vf,
)
from trunkline.domain.ids import ImageId, ProjectId
from trunkline.domain.server import PowerState
from trunkline.reconcile.config_drive import file_name
from trunkline.reconcile.desired import GuestData, ImageSource, ServerConfig
from trunkline.reconcile.domain_xml import DomainOptions
from trunkline.reconcile.observed import DomainPower, GuestFiles, HostState
from trunkline.reconcile.plan import Outcome, Undo, Unit, UnitKind, plan
from trunkline.reconcile.steps import (
    DefineDomain,
    DeleteFiles,
    MakeDisk,
    StartPaused,
    WriteConfigDrive,
)

READY = GuestFiles(disk=1)
MAKING = GuestFiles(doing="image x is being fetched")
IMAGE = ImageSource(id=ImageId("x"), sha512="ab" * 64, size_bytes=1, disk_format="raw")
SERVER = replace(a_server(1, a_nic(1, vf(IGB, 0))), image=IMAGE)


def unit_of_server(host: HostState, server: ServerConfig = SERVER) -> Unit:
    (unit,) = plan(a_config(server), host, vif_types=VIF_TYPES).units
    return unit


@pytest.mark.parametrize("power", [PowerState.RUNNING, PowerState.STOPPED])
def test_the_disk_is_made_first_and_nothing_else_is_done_meanwhile(power: PowerState) -> None:
    unit = unit_of_server(a_host(files={}), replace(SERVER, power=power))
    assert unit.steps == (MakeDisk(server_id=SERVER.id, image=IMAGE, disk_gib=10),)
    assert str(unit.steps[0]) == f"qemu-img create -f qcow2 -b x -F raw {SERVER.id}.qcow2 10G"


def test_a_later_disk_than_there_is_is_made_and_a_drive_of_its_own() -> None:
    rebuilt = replace(SERVER, disk_number=2, boot_number=2)
    domain = replace(a_domain(SERVER), power=DomainPower.SHUT_OFF)
    host = a_host(files={SERVER.id: READY}, domains={SERVER.id: domain})
    (step,) = unit_of_server(host, rebuilt).steps
    assert str(step) == f"qemu-img create -f qcow2 -b x -F raw {SERVER.id}.2.qcow2 10G"
    told = GuestData(hostname="h", project_id=ProjectId("p"), availability_zone="nova")
    with_drive = replace(SERVER, guest=told)
    assert file_name(with_drive) != file_name(replace(with_drive, disk_number=2))


@pytest.mark.parametrize(("found", "defined"), [(None, 2), (3, 1), (None, 3), (1, 2)])
def test_a_disk_that_was_there_is_not_made_again(found: int | None, defined: int) -> None:
    rebuilt = replace(SERVER, disk_number=2, boot_number=2)
    domain = replace(a_domain(rebuilt), power=DomainPower.SHUT_OFF, disk_number=defined)
    host = a_host(files={SERVER.id: GuestFiles(disk=found)}, domains={SERVER.id: domain})
    unit = unit_of_server(host, rebuilt)
    assert (unit.outcome, unit.steps) == (Outcome.REFUSED, ())
    assert "its disk is gone" in unit.reason


def test_while_it_is_being_made_there_is_nothing_to_do_and_the_reason_is_told() -> None:
    unit = unit_of_server(a_host(files={SERVER.id: MAKING}))
    assert (unit.outcome, unit.steps) == (Outcome.PREPARING, ())
    assert unit.reason == "image x is being fetched"


def test_once_it_is_there_the_server_is_made_so() -> None:
    unit = unit_of_server(a_host(files={SERVER.id: READY}))
    kinds = [type(step) for step in unit.steps]
    assert DefineDomain in kinds
    assert StartPaused in kinds


def test_a_running_guest_needs_no_look_at_its_disk() -> None:
    host = a_host(files={}, domains={SERVER.id: a_domain(SERVER)})
    assert not [step for step in unit_of_server(host).steps if isinstance(step, MakeDisk)]


def test_a_server_that_has_been_defined_never_gets_an_empty_disk_for_the_one_it_lost() -> None:
    host = a_host(files={}, domains={SERVER.id: a_domain(SERVER, DomainPower.SHUT_OFF)})
    unit = unit_of_server(host)
    assert unit.outcome is Outcome.REFUSED
    assert "its disk is gone" in unit.reason


@pytest.mark.parametrize("server", [replace(SERVER, image=None), replace(SERVER, disk_gib=0)])
def test_without_an_image_the_disk_is_blank_and_without_a_size_there_is_none(
    server: ServerConfig,
) -> None:
    unit = unit_of_server(a_host(files={}), server)
    blank = MakeDisk(server_id=SERVER.id, image=None, disk_gib=10)
    assert (blank in unit.steps) == bool(server.disk_gib)


def test_hosts_whose_guests_have_no_disks_make_none() -> None:
    assert not [step for step in unit_of_server(a_host()).steps if isinstance(step, MakeDisk)]


GUEST = GuestData(hostname="web", project_id=ProjectId("p"), availability_zone="nova")
DRIVES = DomainOptions(has_config_drives=True)


def test_the_config_drive_is_written_once_there_is_the_disk_and_before_the_domain() -> None:
    server = replace(SERVER, guest=GUEST)
    name = file_name(server)
    for files, wanted in (
        (GuestFiles(), MakeDisk),
        (READY, WriteConfigDrive),
        (replace(READY, config_drive="of another boot"), WriteConfigDrive),
        (replace(READY, config_drive=name), DefineDomain),
    ):
        made = plan(
            a_config(server),
            a_host(files={server.id: files}),
            vif_types=VIF_TYPES,
            options=DRIVES,
        )
        kinds = [type(step) for step in made.steps]
        assert wanted in kinds
        assert (kinds == [wanted]) == (wanted is not DefineDomain)


def test_a_drive_that_is_being_written_is_waited_for() -> None:
    files = replace(READY, doing="its config drive is being written")
    assert unit_of_server(a_host(files={SERVER.id: files})).outcome is Outcome.PREPARING


def test_a_disk_of_a_server_that_left_before_it_was_defined_is_deleted() -> None:
    other = server_id(9)
    host = a_host(files={SERVER.id: READY, other: READY, server_id(8): MAKING})
    units = plan(a_config(SERVER), host, vif_types=VIF_TYPES).units
    removed = [unit for unit in units if unit.kind is UnitKind.REMOVE]
    assert [unit.steps for unit in removed] == [(DeleteFiles(other),)]


@pytest.mark.parametrize(("undo", "goes"), [(Undo.FORGET, True), (Undo.STOP, False)])
def test_a_failed_server_loses_its_disk_only_if_it_never_ran(undo: Undo, goes: bool) -> None:
    host = a_host(files={SERVER.id: READY})
    steps = plan(a_config(SERVER), host, vif_types=VIF_TYPES, failed={SERVER.id: undo}).steps
    assert (DeleteFiles(SERVER.id) in steps) == goes


def test_a_disk_goes_with_its_domain_and_not_before() -> None:
    host = a_host(
        files={SERVER.id: READY}, domains={SERVER.id: a_domain(SERVER, DomainPower.SHUT_OFF)}
    )
    steps = plan(a_config(), host, vif_types=VIF_TYPES).steps
    assert DeleteFiles(SERVER.id) not in steps
