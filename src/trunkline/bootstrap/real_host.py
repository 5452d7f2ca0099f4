"""The machine that the agent runs on: its kernel, its libvirt, and what it has to give."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from trunkline.agent.images import HttpImages
from trunkline.agent.loop import AgentHost
from trunkline.bootstrap.auto_specs import with_found_pfs
from trunkline.bootstrap.bridges import bridges_of, with_bridges
from trunkline.bootstrap.compute_config import ComputeConfig, GivenResources
from trunkline.cli.context import Failed
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.device_spec import Offering, vf_counts
from trunkline.domain.host import HostResources
from trunkline.domain.numa import with_memory
from trunkline.host.doctor.services import EXTRA_FIX, ask_helper, ask_libvirt
from trunkline.reconcile.domain_xml import DomainOptions
from trunkline.vif.registry import VifRegistry

_UNKNOWN_ADDRESS: Final = "127.0.0.1"


@contextmanager
def open_real_host(
    config: ComputeConfig, token: str, vif_types: VifRegistry, *, on_news: Callable[[], None]
) -> Iterator[AgentHost]:
    """Open this machine.

    libvirt may be late, or be restarted: the agent then tells that it can't use the host, and
    looks again. Without the helper nothing at all could be done, so that is refused.

    Args:
        config: What compute.toml says.
        token: The host's credential, by which images are fetched.
        vif_types: How NICs are realised.
        on_news: Called, from other threads, when the machine tells of a change.

    Raises:
        Failed: What the agent needs of this machine is not there; the message says what to do.
        HostRefused: What it has to give can't be read.
    """
    if sys.platform != "linux":
        raise Failed(
            "the agent of a real host runs on Linux; elsewhere, --simulate it", ExitCode.USAGE
        )
    try:
        from trunkline.host.libvirt.hypervisor import LibvirtHypervisor
    except ImportError as problem:
        raise Failed(
            f"the agent of a real host needs the extra trunkline[host] ({problem}): {EXTRA_FIX}",
            ExitCode.USAGE,
        ) from problem
    from trunkline.bootstrap.real_kernel import open_real_kernel
    from trunkline.host.libvirt.image_cache import ImageCache
    from trunkline.host.libvirt.storage import GIB, LibvirtStorage
    from trunkline.host.linux.bridges import read_uplinks
    from trunkline.host.linux.card_faults import CardFaults
    from trunkline.host.linux.kernel import SYSFS
    from trunkline.host.linux.probing import LinuxTrials
    from trunkline.host.linux.resources import read_resources
    from trunkline.host.linux.watch import LinuxWatch
    from trunkline.host.privileged.client import HelperClient

    helper = ask_helper(config.helper_socket)
    if not helper.answers:
        raise Failed(
            f"the privileged helper does not answer at {helper.socket}"
            f" ({helper.problem or 'it is not there'}): `systemctl enable --now"
            " trunkline-host-helper.socket`, and see `trunkline doctor`",
            ExitCode.UNREACHABLE,
        )
    answer = ask_libvirt(config.libvirt_uri)
    resources = replace(
        read_resources(config.storage_dir),
        hypervisor_version=answer.hypervisor_version,
        address=own_address(config.controller_url),
    )
    disks = config.storage_dir / "disks"
    with ExitStack() as stack:
        # It listens before anything is read, so that nothing changes unheard in between.
        faults = CardFaults()
        watch = stack.enter_context(LinuxWatch(on_news=on_news, faults=faults))
        images = HttpImages(
            config.controller_url,
            config.host,
            token,
            ca_file=None if config.ca_file is None else str(config.ca_file),
        )
        stack.callback(images.close)
        cache = ImageCache(
            config.storage_dir / "images",
            bytes_max=config.image_cache_gib * GIB,
            fetch=images.fetch,
        )
        storage = LibvirtStorage(disks, cache, consoles=config.console_dir, on_news=on_news)
        hypervisor = stack.enter_context(
            LibvirtHypervisor(
                config.libvirt_uri,
                delete_files=storage.delete,
                read_console=HelperClient(config.helper_socket).read_console,
                on_news=on_news,
            )
        )
        kernel = open_real_kernel(config, faults)
        config = with_found_pfs(config, kernel.functions)
        bridges = bridges_of(
            config, functions=kernel.functions, uplinks=lambda: read_uplinks(str(SYSFS))
        )
        resources = with_bridges(resources, bridges, kernel)
        yield AgentHost(
            name=config.host,
            kernel=kernel,
            hypervisor=hypervisor,
            resources=given(config.resources, resources),
            offer=Offering(config.device_specs),
            vf_counts=lambda functions: vf_counts(functions, config.device_specs),
            vif_types=vif_types,
            options=DomainOptions(
                domain_type=config.domain_type,
                arch=platform.machine(),
                disk_directory=str(disks),
                console_directory=str(config.console_dir),
                has_config_drives=True,
            ),
            storage=storage,
            watches=(watch, hypervisor, storage),
            drift=config.drift,
            trials=LinuxTrials(kernel, kernel.capabilities),
        )


def given(said: GivenResources, has: HostResources) -> HostResources:
    """Return what of a machine is given to servers: what the operator says, or all it has."""
    memory = has.memory_mib if said.memory_mib is None else said.memory_mib
    return replace(
        has,
        vcpus=has.vcpus if said.vcpus is None else said.vcpus,
        memory_mib=memory,
        disk_gib=has.disk_gib if said.disk_gib is None else said.disk_gib,
        numa_nodes=with_memory(has.numa_nodes, memory, of=has.memory_mib),
    )


def own_address(url: str) -> str:
    """Return the address that this machine has towards `url`; nothing is sent."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.connect(address)
            own: str = asking.getsockname()[0]
            return own
    except OSError:
        return _UNKNOWN_ADDRESS
