"""`trunkline doctor`: what a host lacks before it can give devices to servers, and the fix."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import click

from trunkline.agent.journal import JournalFile, JournalUnreadable
from trunkline.bootstrap.compute_config import ComputeConfig, load_compute_config
from trunkline.bootstrap.real import RealClock
from trunkline.bootstrap.secret_file import (
    ENROLMENT_KEY_CHARACTERS_MIN,
    UnusableSecret,
    read_secret,
)
from trunkline.bootstrap.toml_reading import InvalidConfig
from trunkline.cli.context import Teaching
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.output import print_json
from trunkline.client.connection import Connection
from trunkline.client.errors import ClientError, Unreachable
from trunkline.domain.auto_bridges import find_bridges
from trunkline.domain.auto_specs import find_pfs
from trunkline.domain.clock import Clock
from trunkline.domain.device import PciFunction
from trunkline.domain.iommu_group import tell_unfit
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.checks import diagnose
from trunkline.host.doctor.facts import AgentFacts, ControllerFacts, Facts
from trunkline.host.doctor.findings import Finding, Verdict
from trunkline.host.doctor.machine import (
    read_bridges,
    read_machine,
    read_nics,
    read_udev_rules,
)
from trunkline.host.doctor.services import ask_for_domains, ask_helper, ask_libvirt
from trunkline.host.linux.bridges import read_uplinks
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.privileged.client import HelperClient
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.ownership import find_not_roots_alone
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import Journal
from trunkline.reconcile.users import ours_of, tell_users

DEFAULT_LIBVIRT_URI: Final = "qemu:///system"
_ANSWER_SECONDS_MAX: Final = 5.0  # A controller that is slower will not do for long polls either.


@click.command(cls=Teaching)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="compute.toml of the agent; without it, only the machine itself is looked at.",
)
@click.option("--host", metavar="NAME", help="Goes before the file's `host`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs, instead of lines.")
@click.pass_context
def doctor(
    context: click.Context, config_file: Path | None, host: str | None, *, as_json: bool
) -> None:
    r"""Say what this host lacks before it can give devices to servers, and the exact fix.

    One line for each prerequisite: `ok`; `warning`, which keeps no server from running; `missing`,
    which does. Nothing is changed. Run it as the user that the agent runs as. The exit code is 1 if
    anything is missing.

    \b
    Examples:
      trunkline doctor
      runuser -u trunkline -- trunkline doctor --config /etc/trunkline/compute.toml
    """
    findings = diagnose(gather(config_file, host))
    if as_json:
        print_json({"ready": _is_ready(findings), "findings": [_item(each) for each in findings]})
    else:
        for line in rendered(findings):
            click.echo(line)
    context.exit(ExitCode.OK if _is_ready(findings) else ExitCode.REFUSED)


def gather(config_file: Path | None, host: str | None, *, root: Path = Path("/")) -> Facts:
    """Look at this machine, and at what the agent's configuration names."""
    config, agent = None, None
    if config_file is not None:
        try:
            config = load_compute_config(config_file, host=host)
        except InvalidConfig as invalid:
            agent = AgentFacts(file=str(config_file), faults=invalid.faults)
        else:
            agent = agent_facts(config_file, config)
    netdevs, bridges = read_bridges(root)
    kernel = _kernel(root, config)
    functions, problem = _functions(kernel)
    uri = DEFAULT_LIBVIRT_URI if config is None else config.libvirt_uri
    libvirt = ask_for_domains(ask_libvirt(uri))
    journal = Journal() if config is None else _journal(config, kernel)
    ours = ours_of(None, journal, libvirt.ours, functions)
    functions = tell_unfit(
        tell_users(functions, libvirt.others, ours, journal.tried, networks=libvirt.networks)
    )
    if agent is not None and not agent.faults:
        specs, spec_faults = find_pfs(agent.device_specs, functions)
        found, faults = find_bridges(
            agent.bridges, functions, specs, read_uplinks(str(root / "sys"))
        )
        agent = replace(
            agent,
            device_specs=specs,
            spec_faults=spec_faults,
            bridges=found,
            bridge_faults=faults,
        )
    return Facts(
        user=getpass.getuser(),
        groups=_groups(),
        machine=read_machine(root),
        functions=functions,
        functions_problem=problem,
        nics=read_nics(root),
        netdevs=netdevs,
        bridges=bridges,
        udev_rules=read_udev_rules(root),
        libvirt=libvirt,
        helper=None if config is None else ask_helper(config.helper_socket),
        controller=None if config is None else controller_facts(config, RealClock()),
        agent=agent,
    )


def agent_facts(file: Path, config: ComputeConfig) -> AgentFacts:
    """Look at the files that the agent will use."""
    state = config.state_dir / config.host
    has_token = (state / "token").exists()
    others = find_not_roots_alone(file)
    return AgentFacts(
        file=str(file),
        file_problem="" if others is None else str(others),
        file_remedy="" if others is None else f"`{others.remedy}`",
        host=config.host,
        device_specs=config.device_specs,
        bridges=config.bridges,
        domain_type=config.domain_type,
        has_token=has_token,
        enrolment_problem="" if has_token else _enrolment_problem(config.enrolment_key_file),
        state_dir=str(config.state_dir),
        state_dir_problem=_write_problem(state),
    )


def controller_facts(config: ComputeConfig, clock: Clock) -> ControllerFacts:
    """Ask the service for anything at all, and compare its clock with `clock`."""
    ca_file = None if config.ca_file is None else str(config.ca_file)
    url = config.controller_url
    try:
        with Connection(url, ca_file=ca_file) as connection:
            reply = connection.request("GET", "/", answer_seconds_max=_ANSWER_SECONDS_MAX)
    except Unreachable as problem:
        is_tls = "certificate" in problem.problem or "TLS" in problem.problem
        return ControllerFacts(url=url, problem=problem.problem, is_tls_problem=is_tls)
    except ClientError as problem:
        return ControllerFacts(url=url, problem=str(problem), is_tls_problem=True)
    return ControllerFacts(url=url, clock_ahead_seconds=_ahead(clock, reply.headers))


def rendered(findings: Sequence[Finding]) -> list[str]:
    """Return one line for each finding, and what it comes to."""
    width = max(len(each.check) for each in findings)
    lines = [
        f"{each.verdict.value:<7}  {each.check:<{width}}  {each.found}"
        + (f"; fix: {each.fix}" if each.fix else "")
        for each in findings
    ]
    missing = sum(each.verdict is Verdict.MISSING for each in findings)
    warnings = sum(each.verdict is Verdict.WARNING for each in findings)
    said = "nothing is missing" if not missing else f"{missing} missing"
    return [*lines, f"{said}, {warnings} warning{'' if warnings == 1 else 's'}"]


def _is_ready(findings: Sequence[Finding]) -> bool:
    return not any(each.verdict is Verdict.MISSING for each in findings)


def _item(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "fix": finding.fix or None,
    }


def _kernel(root: Path, config: ComputeConfig | None) -> LinuxKernel:
    # Serial numbers of cards are root's to read, or the helper's for whoever may ask it.
    is_root = os.geteuid() == 0
    writes = DirectWrites() if config is None or is_root else HelperClient(config.helper_socket)
    return LinuxKernel(writes, sysfs_root=root / "sys", proc_root=root / "proc")


def _functions(kernel: LinuxKernel) -> tuple[Mapping[PciAddress, PciFunction], str]:
    try:
        return kernel.functions(), ""
    except HostRefused as problem:
        return {}, str(problem)


def _journal(config: ComputeConfig, kernel: LinuxKernel) -> Journal:
    """Read what the agent remembers of this boot; if that can't be read, it says so itself."""
    try:
        file = JournalFile(config.state_dir / config.host / "journal.json")
        return file.current.of_boot(kernel.boot_id())
    except (JournalUnreadable, HostRefused):
        return Journal()


def _groups() -> frozenset[str]:
    return frozenset(each.gr_name for each in grp.getgrall() if each.gr_gid in os.getgroups())


def _enrolment_problem(file: Path) -> str:
    try:
        read_secret(file, characters_min=ENROLMENT_KEY_CHARACTERS_MIN)
    except UnusableSecret as problem:
        return str(problem).partition(";")[0]  # Its remedy is a key's, not a token's.
    return ""


def _write_problem(directory: Path) -> str:
    """Say why this user can't write below `directory`; empty if it can, or could make it."""
    for path in (directory, *directory.parents):
        if path.exists():
            if os.access(path, os.W_OK | os.X_OK):
                return ""
            return f"{getpass.getuser()} can't write to {path}"
    return "no part of it exists"


def _ahead(clock: Clock, headers: Mapping[str, str]) -> float | None:
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    if theirs.tzinfo is None:  # "-0000": a time in UTC of no known place.
        theirs = theirs.replace(tzinfo=UTC)
    return (clock.now() - theirs).total_seconds()
