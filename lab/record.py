"""Record what the kernel says of the lab's cards, for tests that run without it.

``make lab-record`` writes tests/data/lab anew; the README there says what each file is.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from lab import machine, recipe
from lab.guest import cards, recording
from lab.machine import LabHost

TARGET = recipe.REPOSITORY / "tests/data/lab"
EVENTS = "from lab.guest import recording; recording.print_until_operstate('{}')"


def main() -> None:
    """Boot, take the card through its states, and write each down."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with machine.lab_host() as host:
        call = host.channel.call
        _state(host, "booted")
        _write("vf-created.uevents", call(recording.uevents_of_vf_creation))
        host.reset(vf_count=machine.VFS_PER_CARD)
        _state(host, "vfs")
        for name, answer in call(recording.refusals).items():
            _write(f"refused-{name}.answer", [answer])
        call(cards.set_vf, "pf1", 0, mac="52:54:00:01:00:00", vlan={"vlan": 100, "qos": 3})
        call(cards.set_vf, "pf1", 1, trust=1, spoofchk=0)
        call(cards.set_vf, "pf1", 2, rate={"min_tx_rate": 0, "max_tx_rate": 100})
        call(cards.bind, call(cards.vf_address, "pf1", 0), "igbvf")
        call(cards.wait_for_vf_netdev, "pf1", 0)
        call(cards.bind, call(cards.vf_address, "pf1", 1), "vfio-pci")
        _state(host, "programmed")
        _cable(host, plugged=False)
        _state(host, "unplugged")
        _cable(host, plugged=True)


def _state(host: LabHost, name: str) -> None:
    (TARGET / f"{name}.sysfs").write_text(host.channel.call(recording.sysfs))
    _write(f"{name}.getlink", [host.channel.call(recording.get_link)])


def _cable(host: LabHost, *, plugged: bool) -> None:
    wanted = "up" if plugged else "down"
    listening = host.channel.start(["python3", "-c", EVENTS.format(wanted)])
    listening.wait_for("listening")
    host.plug_cable(1, plugged=plugged)
    _, *messages = listening.wait().stdout.split()
    _write(f"cable-{'plugged' if plugged else 'pulled'}.newlink", messages)


def _write(name: str, messages: list[str]) -> None:
    """Write messages in hex: an empty line between them, and lines of a readable length."""
    path: Path = TARGET / name
    path.write_text("\n\n".join(textwrap.fill(message, 96) for message in messages) + "\n")


if __name__ == "__main__":
    main()
