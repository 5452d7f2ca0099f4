"""A PostgreSQL cluster of the tests' own: a temporary directory, a unix socket, no TCP port.

PostgreSQL refuses to run as root (src/backend/main/main.c, check_root), so root hands the cluster
to an unprivileged user. Nothing here is ever to survive: fsync is off.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.memory import directory_in_memory
from tests.support.patience import HANGS_SECONDS
from trunkline.store.schema import open_store

ROLE = "trunkline"
_PR_SET_PDEATHSIG = 1

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`, the newest where there are several.

    Debian keeps them out of PATH, in /usr/lib/postgresql/<major>/bin.
    """
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: float(path.parts[-3]), reverse=True)
    if found:
        return found[0].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    pytest.fail(
        "PostgreSQL is not installed, and half of the store's tests run on it. `make test` "
        "installs it as root; else run as root: apt-get install postgresql",
        pytrace=False,
    )


def unprivileged_user() -> pwd.struct_passwd | None:
    """Return the user who runs the cluster; None: the one who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.fail("neither a user `postgres` nor `nobody` is there to run PostgreSQL", pytrace=False)


def _die_with_the_tests() -> None:
    """Ask the kernel for SIGQUIT (immediate shutdown) when the tests are gone, killed or not."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class PostgresCluster:
    """A running cluster; makes databases, each one test's alone."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._binaries = find_binaries()
        self._user = unprivileged_user()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._migrated: str | None = None  # The database that migrated ones are copied from.

    def start(self) -> None:
        """Make the cluster and wait until it takes connections."""
        data = self._home / "data"
        data.mkdir(mode=0o700)
        if self._user is not None:
            for path in (self._home, data):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        initdb = [str(self._binaries / "initdb"), "-D", str(data), "-U", ROLE, "--auth=trust"]
        made = self._spawn([*initdb, "--no-sync", "--encoding=UTF8", "--locale=C"])
        output, _ = made.communicate(timeout=HANGS_SECONDS)
        assert made.returncode == 0, f"initdb failed:\n{output.decode()}"
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        self._process = self._spawn(
            [str(self._binaries / "postgres"), "-D", str(data), "-k", str(self._home), *options],
            log=self._home / "log",
        )
        self._wait_until_ready()

    def _spawn(self, command: list[str], log: Path | None = None) -> subprocess.Popen[bytes]:
        who = self._user
        with contextlib.ExitStack() as stack:
            output = subprocess.PIPE if log is None else stack.enter_context(log.open("wb"))
            return subprocess.Popen(
                command,
                cwd=self._home,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=None if who is None else who.pw_uid,
                group=None if who is None else who.pw_gid,
                extra_groups=None if who is None else [],
                preexec_fn=_die_with_the_tests,
            )

    def _wait_until_ready(self) -> None:
        command = [str(self._binaries / "pg_isready"), "-q", "-h", str(self._home), "-t", "60"]
        waiter = [
            "sh",
            "-c",
            f"until {' '.join(command)}; do kill -0 $0 || exit 1; sleep 0.05; done",
        ]
        assert self._process is not None
        done = subprocess.run([*waiter, str(self._process.pid)], timeout=HANGS_SECONDS)
        assert done.returncode == 0, (
            f"PostgreSQL did not start:\n{(self._home / 'log').read_text()}"
        )

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={self._home}"

    def new_empty_database(self) -> str:
        """Make a database without any table and return its SQLAlchemy URL."""
        return self.url(self._copy_of("template0"))

    def new_database(self) -> str:
        """Make a database with this version's schema and no rows, and return its SQLAlchemy URL."""
        if self._migrated is None:
            self._migrated = self._copy_of("template0")
            open_store(self.url(self._migrated)).close()
        return self.url(self._copy_of(self._migrated))

    @contextlib.contextmanager
    def dropping(self) -> Iterator[Callable[[str], str]]:
        """Give a function that takes and returns a URL; its database is dropped in the end."""
        urls: list[str] = []

        def note(url: str) -> str:
            urls.append(url)
            return url

        yield note
        for url in urls:
            self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _copy_of(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        # Through the files: through the log, as is the default, it takes a third longer.
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self._home), user=ROLE, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """Stop by pid, dropping whoever is still connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(timeout=HANGS_SECONDS)


def _remove_what_the_dead_left(place: Path) -> None:
    """Remove the clusters of tests that were killed."""
    for home in place.glob("tl-pg-*-*"):
        if not Path("/proc", home.name.split("-")[2]).exists():
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """One cluster for each test worker."""
    # Short, and open to the cluster's user: a socket's path has at most 107 bytes (unix(7)), and
    # pytest's own temporary directories are closed to other users.
    place = directory_in_memory() or Path("/tmp")
    _remove_what_the_dead_left(place)
    home = Path(tempfile.mkdtemp(prefix=f"tl-pg-{os.getpid()}-", dir=place))
    cluster = PostgresCluster(home)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home)


@pytest.fixture
def new_postgres_database(postgres_cluster: PostgresCluster) -> Iterator[Callable[[], str]]:
    """Each call makes a database with the schema and no rows, and returns its URL."""
    with postgres_cluster.dropping() as databases:
        yield lambda: databases(postgres_cluster.new_database())


@pytest.fixture
def new_empty_postgres_database(postgres_cluster: PostgresCluster) -> Iterator[Callable[[], str]]:
    """Each call makes a database without any table, and returns its URL."""
    with postgres_cluster.dropping() as databases:
        yield lambda: databases(postgres_cluster.new_empty_database())
