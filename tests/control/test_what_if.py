"""What would be if a host were drained, a PF lost or hosts added: as it then is, and unchanged now.

h1, h2                            network blue: vlan 100 on phy1
├─ 0000:05:00.0  phy1, 4 VFs      network red:  vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, AgentByHand, a_card
from trunkline.control.hosts import set_host_enabled
from trunkline.control.requests import ExplainRequest, NicRequest
from trunkline.control.servers import delete_server
from trunkline.control.what_if import LostPf, Outlook, WhatIf, what_if
from trunkline.domain.errors import Forbidden, Invalid, NotFound
from trunkline.domain.host import Host
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.placement.asks.request import Placed, Reason
from trunkline.placement.hosts.views import HostView
from trunkline.store.transaction import Transaction

H1, H2 = HostName("h1"), HostName("h2")
CARD = PciAddress.parse("0000:05:00.0")


def ask(scene: Scene, *drained: HostName, **more: object) -> Outlook:
    return what_if(scene.svc, ADMIN, WhatIf(drained=drained, **more))  # type: ignore[arg-type]  # As told.


def a_shape(*nics: NicRequest) -> ExplainRequest:
    return ExplainRequest(flavor_id=None, nics=nics)


def boot_on(scene: Scene, host: HostName, *nics: NicRequest, name: str) -> None:
    """Boot a server while only this host is in service."""
    others = [HostName(other) for other in scene.agents if other != host]
    for other in others:
        set_host_enabled(scene.svc, ADMIN, other, enabled=False, reason=None)
    view = scene.boot(*nics, name=name)
    assert view.host is not None, view.server.fault
    for other in others:
        set_host_enabled(scene.svc, ADMIN, other, enabled=True, reason=None)


def names(outlook: Outlook) -> dict[str, str]:
    """Where each server would go."""
    return {
        move.resident.name: outlook.host_names[move.placed.host_id]
        for move in outlook.resettled.moves
    }


def everything(scene: Scene) -> object:
    """What the index holds of every host, and what the store does."""

    def read(tx: Transaction) -> list[tuple[Host, HostView]]:
        return [(host, scene.svc.fleet.stored_view(tx, host)) for host in tx.hosts.all()]

    scene.svc.store.write(scene.svc.fleet.refresh)  # What it has not followed yet is no change.
    stored = scene.svc.store.read(read)
    views = [scene.svc.fleet.view(host.id) for host, _ in stored]
    return stored, views, scene.devices()


def test_servers_of_a_drained_host_go_where_there_is_room(scene: Scene) -> None:
    for number in range(3):
        boot_on(scene, H1, on(scene.blue), on(scene.red), name=f"s{number}")
    outlook = ask(scene, H1)
    assert names(outlook) == {"s0": "h2", "s1": "h2", "s2": "h2"}
    assert outlook.resettled.is_proven
    assert outlook.stuck == ()
    chosen = [c.device for move in outlook.resettled.moves for c in move.placed.choices]
    assert len(set(chosen)) == 6  # None twice.


def test_servers_that_find_no_place_are_told_with_the_reason_and_a_proof(scene: Scene) -> None:
    for number in range(3):
        boot_on(scene, H1, on(scene.blue), name=f"here{number}")
        boot_on(scene, H2, on(scene.blue), name=f"there{number}")
    outlook = ask(scene, H1)
    assert (len(outlook.resettled.moves), outlook.resettled.at_most) == (1, 1)
    assert outlook.resettled.is_proven
    first, second = outlook.stuck
    assert first.explanation is not None
    assert first.explanation.counts == {Reason.NO_FREE_DEVICE: 1}
    assert [refusal.host_name for refusal in first.explanation.nearest] == ["h2"]
    assert {first.resident.name, second.resident.name} < {"here0", "here1", "here2"}


def test_a_drain_for_real_goes_as_foretold(scene: Scene) -> None:
    """Each server is made anew, in the order of the answer, with h1 disabled."""
    shapes = {
        "one": (on(scene.blue),),
        "both": (on(scene.blue), on(scene.red)),
        "two": (on(scene.blue), on(scene.blue)),
        "whole": (on(scene.red, VnicType.DIRECT_PHYSICAL),),
    }
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", a_card(5, "phy1", serial=3))
    boot_on(scene, H2, on(scene.blue), on(scene.blue), on(scene.blue), name="there")
    for name, nics in shapes.items():
        if name != "whole":
            boot_on(scene, H1, *nics, name=name)
    outlook = ask(scene, H1)
    foretold = names(outlook)
    set_host_enabled(scene.svc, ADMIN, H1, enabled=False, reason="drained")
    for move in outlook.resettled.moves:
        view = scene.boot(*shapes[move.resident.name], name=f"new {move.resident.name}")
        assert view.host is not None
        assert view.host.name == foretold[move.resident.name]
    for stuck in outlook.stuck:
        view = scene.boot(*shapes[stuck.resident.name], name="one too many")
        assert view.server.state is ServerState.ERROR
    assert len(foretold) + len(outlook.stuck) == 3


def test_servers_with_nics_on_a_lost_pf_are_placed_anew_their_own_host_too(scene: Scene) -> None:
    """h3 has two PFs on phy1 with 4 VFs each; nobody else has room for their servers."""
    h3 = HostName("h3")
    cards = a_card(5, "phy1", serial=3) + a_card(6, "phy1", serial=4)
    scene.agents["h3"] = AgentByHand(scene.svc, "h3", cards)
    for number in range(6):
        boot_on(scene, h3, on(scene.blue), name=f"s{number}")
    outlook = ask(scene, H1, H2, lost=(LostPf(h3, CARD),))
    moved = outlook.resettled.moves
    assert {outlook.host_names[move.placed.host_id] for move in moved} == {"h3"}
    devices = [outlook.devices[c.device] for m in moved for c in m.placed.choices if c.device]
    assert {str(device.function.pf_address) for device in devices} == {"0000:06:00.0"}
    on_lost = len([line for line in scene.devices("claimed") if line.startswith("h3 0000:05:")])
    assert len(moved) + len(outlook.stuck) == on_lost
    assert len(moved) == outlook.resettled.at_most == 4 - (6 - on_lost)


def test_an_added_host_is_like_the_other_one_and_empty(scene: Scene) -> None:
    boot_on(scene, H2, on(scene.blue), name="there")
    set_host_enabled(scene.svc, ADMIN, H2, enabled=False, reason=None)
    outlook = ask(scene, added=2, like=H2, shape=a_shape(on(scene.blue)))
    assert outlook.shape is not None
    assert outlook.shape.before is not None
    assert outlook.shape.after is not None
    assert (outlook.shape.before.most, outlook.shape.after.most) == (4, 12)
    assert outlook.resettled.moves == ()


def test_a_shape_is_placed_after_the_servers_that_leave(scene: Scene) -> None:
    boot_on(scene, H1, on(scene.blue), on(scene.blue), name="here")
    outlook = ask(scene, H1, shape=a_shape(on(scene.blue)))
    assert outlook.shape is not None
    assert isinstance(outlook.shape.answer, Placed)
    assert outlook.host_names[outlook.shape.answer.host_id] == "h2"
    assert outlook.shape.before is not None
    assert outlook.shape.after is not None
    assert (outlook.shape.before.least, outlook.shape.after.least) == (6, 2)


def test_nothing_is_changed_by_asking(scene: Scene) -> None:
    for host, name in ((H1, "a"), (H1, "b"), (H2, "c")):
        boot_on(scene, host, on(scene.blue), on(scene.red), name=name)
    before = everything(scene)
    ask(scene, H1, lost=(LostPf(H2, CARD),), added=3, like=H1, shape=a_shape(on(scene.blue)))
    assert everything(scene) == before
    scene.index_agrees()


def test_a_pf_of_a_drained_host_is_lost_with_it(scene: Scene) -> None:
    boot_on(scene, H1, on(scene.blue), name="here")
    assert names(ask(scene, H1, lost=(LostPf(H1, CARD),))) == {"here": "h2"}


def test_a_server_that_is_gone_leaves_no_trace(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    delete_server(scene.svc, DEMO, view.server.id)
    assert ask(scene, H1, H2).resettled.moves == ()


@pytest.mark.parametrize(
    ("question", "kind", "said"),
    [
        (WhatIf(), Invalid, "ask something"),
        (WhatIf(drained=(HostName("h9"),)), NotFound, "host h9"),
        (WhatIf(lost=(LostPf(HostName("h9"), CARD),)), NotFound, "host h9"),
        (WhatIf(lost=(LostPf(H1, PciAddress.parse("0000:07:00.0")),)), NotFound,
         "PF h1/0000:07:00.0"),
        (WhatIf(lost=(LostPf(H1, PciAddress.parse("0000:05:02.0")),)), Invalid, "is a vf, not a"),
        (WhatIf(added=1), Invalid, "which host the added ones are"),
        (WhatIf(like=H1), Invalid, "how many hosts"),
        (WhatIf(added=1, like=HostName("h9")), NotFound, "host h9"),
        (WhatIf(drained=tuple(HostName(f"h{n}") for n in range(30))), Invalid, "at most 20 hosts"),
        (WhatIf(lost=(LostPf(H1, CARD),) * 30), Invalid, "at most 20 PFs"),
        (WhatIf(added=5000, like=H1), Invalid, "at most 1000"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(
    scene: Scene, question: WhatIf, kind: type[Exception], said: str
) -> None:
    asking = partial(what_if, scene.svc, ADMIN, question)
    with pytest.raises(kind, match=said):
        asking()


def test_only_admins_may_ask(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        what_if(scene.svc, DEMO, WhatIf(drained=(H1,)))
