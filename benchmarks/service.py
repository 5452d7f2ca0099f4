"""The whole service over HTTP: creates, servers to ACTIVE, start-up, memory.

``python benchmarks/service.py [--fleet mixed-40 --fleet large-1000] [--creates N]``: starts
`trunkline up` on a directory of its own, on loopback, and prints JSON. Requests are fresh: each
makes a server with one VF on a network of its own choice of two; the first create of a run is not
counted (connections and caches warm up).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

READY_SECONDS_MAX = 120
SETTLE_SECONDS_MAX = 300
_VERSION = {"OpenStack-API-Version": "compute 2.96"}


class Session:
    """One keep-alive connection with a token."""

    def __init__(self, url: str, token: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"Content-Type": "application/json", **_VERSION, **(headers or {})}
        self.token = token

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
        headers = {**self._headers, **({"X-Auth-Token": self.token} if self.token else {})}
        payload = None if body is None else json.dumps(body)
        self._connection.request(method, path, payload, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None, answer.headers

    def close(self) -> None:
        self._connection.close()

    def must(self, method: str, path: str, body: object = None) -> Any:
        status, data, _ = self.call(method, path, body)
        assert status < 300, (method, path, status, data)
        return data


def log_in(url: str, directory: Path, headers: Mapping[str, str] | None = None) -> Session:
    auth = json.loads((directory / "clouds.yaml").read_text())["clouds"]["trunkline"]["auth"]
    session = Session(url, headers=headers)
    user = {
        "name": auth["username"],
        "password": auth["password"],
        "domain": {"id": "default"},
    }
    scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
    status, data, headers = session.call(
        "POST",
        "/identity/v3/auth/tokens",
        {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": scope,
            }
        },
    )
    assert status == 201, data
    session.token = headers["X-Subject-Token"]
    return session


@contextmanager
def running(directory: Path, fleet: str) -> Iterator[tuple[str, float, int]]:
    """Start `trunkline up`; yield its URL, the seconds until it was ready, and its pid."""
    command = [sys.executable, "-m", "trunkline", "up", "--fleet", fleet]
    command += ["--data", str(directory), "--port", "0"]
    start = time.perf_counter()
    with (directory.parent / "log").open("w") as log:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert child.stdout is not None
            url = ""
            for line in child.stdout:
                if line.startswith("Trunkline answers at "):
                    url = line.split()[-1]
                if line.strip() == "ready":
                    break
            assert url, f"it did not start: {(directory.parent / 'log').read_text()}"
            yield url, time.perf_counter() - start, child.pid
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def wait_for_hosts(session: Session, count: int) -> float:
    """Wait until every host has reported; return the seconds that took."""
    start = time.perf_counter()
    while time.perf_counter() - start < SETTLE_SECONDS_MAX:
        hosts = session.must("GET", "/trunkline/v1/hosts?limit=1000")["hosts"]
        if sum(host["up"] for host in hosts) >= count:
            return time.perf_counter() - start
        time.sleep(0.5)
    raise AssertionError("hosts did not report in time")


def prepare(session: Session) -> list[str]:
    """Make two networks and a flavor; return the networks' IDs."""
    flavor = {"name": "s", "id": "s", "ram": 64, "vcpus": 1, "disk": 1}
    session.must("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    return [
        session.must("POST", "/network/v2.0/networks", {
            "network": {
                "name": name,
                "provider:network_type": "vlan",
                "provider:physical_network": name,
                "provider:segmentation_id": vlan,
            }
        })["network"]["id"]
        for name, vlan in (("phy1", 100), ("phy2", 200))
    ]  # fmt: skip


def make_ports(session: Session, networks: list[str], count: int) -> list[str]:
    """Make ports for as many servers: not part of what is measured."""
    body = {"binding:vnic_type": "direct"}
    return [
        session.must(
            "POST", "/network/v2.0/ports", {"port": body | {"network_id": networks[n % 2]}}
        )["port"]["id"]
        for n in range(count)
    ]


def create(session: Session, port: str, name: str) -> float:
    """Boot a server on a VF; return the seconds from request to durable 202."""
    disk = {"source_type": "blank", "destination_type": "local", "boot_index": 0, "volume_size": 1}
    server = {"name": name, "flavorRef": "s", "imageRef": "", "networks": [{"port": port}]}
    body = {"server": server | {"block_device_mapping_v2": [disk]}}
    start = time.perf_counter()
    session.must("POST", "/compute/v2.1/servers", body)
    return time.perf_counter() - start


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, 2),
        "max_ms": round(ordered[-1] * 1000, 2),
    }


def one_at_a_time(session: Session, networks: list[str], count: int) -> dict[str, float]:
    ports = make_ports(session, networks, count + 1)
    create(session, ports.pop(), "warm")
    taken = [create(session, port, f"one-{n}") for n, port in enumerate(ports)]
    return {
        "creates": count,
        "creates_per_s": round(count / sum(taken), 1),
        **percentiles(taken),
    }


def at_once(url: str, token: str, networks: list[str], clients: int, each: int) -> dict[str, float]:
    ports = make_ports(Session(url, token), networks, clients * each)
    taken: list[float] = []
    lock = threading.Lock()

    def run(client: int) -> None:
        session = Session(url, token)
        mine = [
            create(session, port, f"c{client}-{n}")
            for n, port in enumerate(ports[client * each : (client + 1) * each])
        ]
        with lock:
            taken.extend(mine)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - start
    assert len(taken) == clients * each
    return {
        "clients": clients,
        "creates": len(taken),
        "creates_per_s": round(len(taken) / passed, 1),
        **percentiles(taken),
    }


def until_active(session: Session, since: float) -> dict[str, float]:
    """Wait until no server builds; return how many are ACTIVE, and how long that took."""
    while time.perf_counter() - since < SETTLE_SECONDS_MAX:
        building = session.must("GET", "/compute/v2.1/servers?status=BUILD&limit=1")["servers"]
        if not building:
            break
        time.sleep(0.1)
    passed = time.perf_counter() - since
    active, marker = 0, ""
    while True:
        page = session.must("GET", f"/compute/v2.1/servers?status=ACTIVE&limit=1000{marker}")
        active += len(page["servers"])
        if len(page["servers"]) < 1000:
            break
        marker = f"&marker={page['servers'][-1]['id']}"
    return {"active": active, "seconds": round(passed, 2)}


def measure(fleet: str, hosts: int, creates: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as scratch:
        directory = Path(scratch) / "data"
        directory.mkdir()
        result: dict[str, Any] = {"fleet": fleet, "hosts": hosts}
        with running(directory, fleet) as (url, ready, pid):
            session = log_in(url, directory)
            result["first_start_s"] = round(ready, 2)
            result["all_hosts_reported_s"] = round(wait_for_hosts(session, hosts), 2)
            networks = prepare(session)
            result["one_at_a_time"] = one_at_a_time(session, networks, creates)
            until_active(session, time.perf_counter())
            start = time.perf_counter()  # Ports are made in this time, too.
            result["eight_clients"] = at_once(url, session.token, networks, 8, creates // 8)
            settled = until_active(session, start)
            result["to_active"] = settled | {
                "servers_per_s": round(result["eight_clients"]["creates"] / settled["seconds"], 1)
            }
            result["resident_mib"] = round(resident_mib(pid), 1)
        with running(directory, fleet) as (_, ready, pid):
            result["second_start_s"] = round(ready, 2)
            result["resident_after_start_mib"] = round(resident_mib(pid), 1)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleet", action="append", default=[], help="NAME or NAME=HOSTS")
    parser.add_argument("--creates", type=int, default=160)
    options = parser.parse_args()
    known = {"scenario": 6, "mixed-40": 40, "large-1000": 1000}
    results = [
        measure(fleet, known[fleet], options.creates)
        for fleet in options.fleet or ["mixed-40", "large-1000"]
    ]
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    report = {"benchmark": "service", "machine": machine, "results": results}
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
