"""What device specs say of devices besides tags: who binds them, and how often they are used."""

from __future__ import annotations

import pytest

from tests.reconcile.scenes import functions
from trunkline.domain.device import is_vfio_driver
from trunkline.domain.device_spec import Offering
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.reconcile.users import without_used_and_unfit


def test_what_a_spec_says_is_said_of_what_it_decides_about() -> None:
    specs = parse_device_specs([
        {"ifname": "eth2", "one_time_use": True, "tags": {"live_migratable": "true"}},
        {"ifname": "eth3", "managed": False},
    ])  # fmt: skip
    found = Offering(specs)(functions())
    assert {(each.managed, each.one_time_use) for each in found} == {(True, True), (False, False)}
    for each in found:
        assert each.one_time_use is (each.tags == {"live_migratable": "true"})
    kept = without_used_and_unfit(found)
    assert [each.on_offer for each in kept] == [each.managed for each in found], (
        "none of them is bound to vfio"
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"managed": "no"}, "device_specs[0].managed: expected true or false, found 'no'"),
        ({"one_time_use": 1}, "device_specs[0].one_time_use: expected true or false, found 1"),
        ({"manged": False}, "device_specs[0].manged: unknown; did you mean managed?"),
        (
            {"tags": {"managed": "no"}},
            "device_specs[0].tags.managed: stands beside `tags`, not in it; move it",
        ),
        (
            {"tags": {"one_time_use": "true"}},
            "device_specs[0].tags.one_time_use: stands beside `tags`, not in it; move it",
        ),
        (
            {"tags": {"live_migratable": "yes"}},
            'device_specs[0].tags.live_migratable: expected "true" or "false", found \'yes\'',
        ),
        (
            {"tags": {"trusted": "True"}},
            'device_specs[0].tags.trusted: expected "true" or "false", found \'True\'',
        ),
        (
            {"exclude": True, "one_time_use": True},
            "device_specs[0].one_time_use: has no meaning for what is excluded; remove it",
        ),
        (
            {"physical_network": "phy1", "network_pool": "hostdev", "one_time_use": True},
            "device_specs[0].one_time_use: libvirt chooses of a network pool",
        ),
        (
            {"physical_network": "phy1", "network_pool": "hostdev", "managed": False},
            "device_specs[0].managed: libvirt binds what is in its network pools",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_remedy(
    given: dict[str, object], fault: str
) -> None:
    with pytest.raises(InvalidDeviceSpecs) as refused:
        parse_device_specs([{"ifname": "eth2", **given}])
    (told,) = refused.value.faults
    assert told.startswith(fault)


@pytest.mark.parametrize(
    ("driver", "is_vfio"),
    [
        ("vfio-pci", True),
        ("mlx5_vfio_pci", True),
        ("nvgrace-gpu-vfio-pci", True),
        ("igbvf", False),
        ("vfio_ap", False),
        (None, False),
    ],
)
def test_drivers_of_vfio_are_known_by_their_names(driver: str | None, *, is_vfio: bool) -> None:
    assert is_vfio_driver(driver) is is_vfio
