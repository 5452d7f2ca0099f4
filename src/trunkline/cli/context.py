"""What the commands share: options, the API client, failures as messages and exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from trunkline.cli.exit_codes import EPILOG, ExitCode
from trunkline.cli.progress import progress_line
from trunkline.client.api import TrunklineApi
from trunkline.client.clouds import find_cloud
from trunkline.client.errors import ApiError, BadCredentials, ClientError, Unreachable
from trunkline.client.session import Session

Command = Callable[..., None]


class Failed(click.ClickException):
    """Ends a command with a message on stderr and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click declares a class variable.
        """What click exits with."""
        return self.code

    def show(self, file: Any = None) -> None:
        """Print the message, without click's capital `Error`, to stderr."""
        click.echo(f"trunkline: {self.format_message()}", file=file or sys.stderr)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn what a client is expected to meet into a message and an exit code."""
    try:
        yield
    except BadCredentials as problem:
        raise Failed(str(problem), ExitCode.USAGE) from problem
    except Unreachable as problem:
        raise Failed(_unreachable(problem), ExitCode.UNREACHABLE) from problem
    except ApiError as problem:
        code = ExitCode.FAULT if problem.is_fault else ExitCode.REFUSED
        raise Failed(_refused(problem), code) from problem
    except ClientError as problem:
        raise Failed(str(problem), ExitCode.USAGE) from problem
    except KeyboardInterrupt:
        raise Failed("interrupted", ExitCode.INTERRUPTED) from None


def _unreachable(problem: Unreachable) -> str:
    remedy = (
        "is it a Trunkline of this version?"
        if problem.connected
        else "is it running (`trunkline up` or `trunkline server`), and is this its address?\n"
        "  (The address is auth_url of the cloud, or OS_AUTH_URL.)"
    )
    return f"no answer from {problem.url}: {problem.problem}\n  {remedy}"


def _refused(problem: ApiError) -> str:
    lines = [problem.message]
    if problem.is_refused_login:
        lines.append("  check the username, password and project of the cloud you use")
    if problem.request_id:
        lines.append(f"  request {problem.request_id}, status {problem.status}")
    return "\n".join(lines)


def takes_api(command: Command) -> Command:
    """Give a command `--os-cloud`, a logged-in `api` as first argument, and told failures.

    Everything it does over 2 s shows a progress line on stderr.
    """

    @click.option("--os-cloud", metavar="NAME", help="Cloud of clouds.yaml. [env: OS_CLOUD]")
    @functools.wraps(command)
    def run(*, os_cloud: str | None, **options: Any) -> None:
        with failures_told():
            cloud = find_cloud(os.environ, name=os_cloud, cwd=Path.cwd())
            with Session(cloud) as session, progress_line(f"waiting for {session.url}"):
                command(TrunklineApi(session), **options)

    return run


def takes_json(command: Command) -> Command:
    """Give a command `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs, instead of a table."
    )(command)


class Teaching(click.Command):
    """A command whose help ends with the exit codes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **_taught(options))


class TeachingGroup(click.Group):
    """A group of such commands."""

    command_class = Teaching

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **_taught(options))


def _taught(options: dict[str, Any]) -> dict[str, Any]:
    """Add the exit codes, and make the mark that keeps a paragraph's lines what click wants.

    It wants a real backspace character, which a raw docstring can't hold.
    """
    help_text = options.get("help")
    if help_text is not None:
        options["help"] = help_text.replace("\\b\n", "\b\n")
    return {"epilog": EPILOG, **options}
