"""Put what was measured last into docs/benchmarks.md and its plot.

Reads build/bench/NAME.json of the benchmarks that have been run; leaves the tables of the others
as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.from_code import DOCS
from tools.log_plot import Line, draw

TARGET = DOCS / "benchmarks.md"
PLOT = DOCS / "placement-cost.svg"
MEASURED = DOCS.parent / "build/bench"
FILLS = {"empty": "empty", "half": "half full", "nearly_full": "nearly full"}
NO_FIGURE = "–"  # The fleet has no room for such a server, or it was not measured.

Report = Mapping[str, Any]


def placement_tables(report: Report) -> str:
    """For each filling a table: one row a figure, one column a size of fleet; the last growth."""
    results = report["results"]
    grown = f"growth_from_{results[-2]['hosts']}" if len(results) > 1 else ""
    parts = [machine_line(report)]
    for fill, title in FILLS.items():
        growth = results[-1].get(grown, {}).get(fill, {})
        heads = [f"{result['hosts']:,} hosts" for result in results]
        of_sizes = [result[fill] for result in results if fill in result]
        if not of_sizes:
            continue  # The benchmark was run for other fillings.
        rows = [
            [
                _decision(name),
                *(_quantiles(size["decide_ms"][name]) for size in of_sizes),
                _times(growth.get(f"decide_{name}")),
            ]
            for name in of_sizes[0]["decide_ms"]
        ]
        rows += [
            [
                _decision(name),
                *(_quantiles(size["rules_ms"].get(name)) for size in of_sizes),
                _times(growth.get(f"rules_{name}")),
            ]
            for name in dict.fromkeys(name for size in of_sizes for name in size["rules_ms"])
        ]
        rows += [
            [
                f"{title}, {_decision(name)}",
                *(_quantiles(size.get(series, {}).get(name)) for size in of_sizes),
                _times(growth.get(f"{told}_{name}")),
            ]
            for told, title in (("explain", "explain"), ("page", "explain with a page"))
            for series in (f"{told}_by_ms",)
            for name in dict.fromkeys(name for size in of_sizes for name in size.get(series, {}))
        ]
        rows += [
            [label, *(_quantiles(size.get(name)) for size in of_sizes), _times(growth.get(name))]
            for label, name in (
                ("4 NICs, hosts ranked by weights", "weights_ms"),
                ("hold a choice, ms", "hold_ms"),
                ("one change, µs", "change_us"),
                ("capacity, ms", "capacity_ms"),
                ("capacity with rules, ms", "ruled_capacity_ms"),
            )
        ]
        rows += [
            [label, *(f"{size[name]:.3g}" for size in of_sizes), ""]
            for label, name in (
                ("memory, KiB a host", "kib_per_host"),
                ("build, s", "build_seconds"),
            )
        ]
        parts.append(f"**{title}**\n\n{table(['ms', *heads, 'growth'], rows)}")
    return "\n\n".join(parts)


def peers_tables(report: Report) -> str:
    """Each figure beside the service that gives it, too."""
    rows = [
        [
            each["figure"],
            f"{each['peer'].capitalize()} {report['versions'][each['peer']]}",
            str(each["pairs"]),
            *(f"{_figure(each[side]['median'])}" for side in ("peer_ms", "trunkline_ms")),
            *(f"{_figure(each[side])}" for side in ("peer_cpu_ms", "trunkline_cpu_ms")),
            f"{_figure(each['ratio'])} ({_figure(each['ratio_min'])}–{_figure(each['ratio_max'])})",
            f"≥ {each['target']}" + ("" if each["ratio"] >= each["target"] else ", missed"),
        ]
        for each in report["results"]
    ]
    heads = ["", "beside", "pairs", "its ms", "Trunkline's ms", "its CPU ms", "Trunkline's CPU ms"]
    heads += ["ratio (least–greatest)", "aim"]
    return f"{machine_line(report)}\n\n{table(heads, rows)}"


def filter_tables(report: Report) -> str:
    """Nova and Trunkline on the same requests, then who refuses what fits."""
    *sizes, refusals = report["results"]
    rows = [
        [f"{size['hosts']:,}", _decision(name), *_sides(plain), *_sides(size["half"]["numa"][name])]
        for size in sizes
        for name, plain in size["half"]["plain"].items()
    ]
    heads = ["hosts", "request", "Nova", "Trunkline", "ratio (least)"]
    heads += ["Nova, NUMA", "Trunkline", "ratio (least)"]
    pairs = ", ".join(f"{size['pairs']} at {size['hosts']:,} hosts" for size in sizes)
    refused = [
        [
            f"{title}, {_decision(name)}",
            f"{figures['pairs_that_fit']:,}",
            *(f"{figures[side]['refuses_percent']:.2f} %" for side in ("nova", "trunkline")),
            *(
                f"{figures[side]['refuses_feasible_requests']} of {figures['requests']}"
                for side in ("nova", "trunkline")
            ),
        ]
        for fleet, title in (("nearly_full", "nearly full"), ("tight", "tight"))
        for name, figures in refusals[fleet].items()
        if figures is not None
    ]
    refused_heads = ["fleet, request", "fitting pairs", "Nova refuses", "Trunkline refuses"]
    refused_heads += ["requests that Nova refuses", "that Trunkline refuses"]
    return "\n\n".join(
        [
            f"Nova {report['nova']}. Pairs a row: {pairs}. {machine_line(report)}",
            table(heads, rows),
            table(refused_heads, refused),
        ]
    )


def creates_tables(report: Report) -> str:
    """Servers a second, and where the writer's time goes."""
    rows = [
        [
            str(result["threads"]),
            _decision(nics),
            "before" if ports == "ports_made_before" else "with it",
            f"{figures['servers_per_s']:,.0f}",
            f"{figures['cpu_ms_per_server']:.2f}",
            f"{figures['p50']:.3g} / {figures['p99']:.3g}",
        ]
        for result in report["results"]
        if "threads" in result
        for nics in ("1_nics", "4_nics")
        for ports, figures in result[nics].items()
    ]
    rows += [
        [
            f"1, {report['batch_size']} at once",
            _decision(nics),
            "with it",
            f"{figures['servers_per_s']:,.0f}",
            f"{figures['cpu_ms_per_server']:.2f}",
            f"{figures['p50']:.3g} / {figures['p99']:.3g}",
        ]
        for nics, figures in report.get("batches", {}).items()
    ]
    heads = ["threads", "server", "ports made", "servers/s", "CPU ms a server", "p50 / p99, ms"]
    parts = [
        f"A page synced: {_quantiles(report['sync_ms'])} ms. {machine_line(report)}",
        table(heads, rows),
    ]
    if profile := report.get("profile"):
        count = f"{profile['statements_per_server']:g} SQL statements a server"
        for title, key in (("By package, own code", "own_time_percent"), ("Steps", "step_percent")):
            shares = [[f"`{name}`", f"{share:g}"] for name, share in profile[key].items()]
            parts.append(table([f"{title}: 1 NIC, {count}", "%"], shares))
    return "\n\n".join(parts)


def races_tables(report: Report) -> str:
    """What replicas that create at the same moment cost each other."""
    rows = [
        [
            str(result["replicas"]),
            f"{result['creates']:,}",
            f"{result['races_lost_per_create']:g}",
            f"{result['refused']:,}",
            f"{result['placements_turned_aside_per_create']:g}",
            f"{result['creates_per_second']:,.0f}",
            _quantiles(result["create_ms"]),
        ]
        for result in report["results"]
    ]
    heads = ["replicas", "creates", "transactions lost a create", "creates refused"]
    heads += ["hosts left to another a create", "servers/s", "p50 / p99, ms"]
    hosts = ", ".join(sorted({f"{result['hosts']:,}" for result in report["results"]}))
    return f"{hosts} hosts. {machine_line(report)}\n\n{table(heads, rows)}"


def lab_tables(report: Report) -> str:
    """Programming VFs beside `ip`, an agent at rest, and servers that start."""
    programming, rest, starts = report["results"]
    ways = {name: figures for name, figures in programming.items() if isinstance(figures, dict)}
    rows = [
        [name, f"{figures['a_second']:,.0f}", _quantiles(figures)] for name, figures in ways.items()
    ]
    seconds = [
        [label, *(f"{starts[name][each]:.1f}" for each in ("median", "min", "max"))]
        for label, name in (
            ("from 202 until the guest runs", "from_202_s"),
            ("libvirt and QEMU alone", "libvirts_own_s"),
            ("the rest", "the_rest_s"),
        )
    ]
    resting = (
        f"The agent at rest with 28 VFs, over {rest['seconds']:g} s: {rest['memory_mib']:.1f} MiB, "
        f"{100 * rest['share_of_core']:.2f} % of an emulated core. Work in Python takes "
        f"{rest['slowness']:.0f} times as long there as on this machine: "
        f"{100 * rest['share_of_core_here']:.3f} % of one of its cores."
    )
    heads = [f"{programming['rounds']} rounds of 28 VFs", "a second", "p50 / p99, ms"]
    return "\n\n".join(
        [
            machine_line(report),
            table(heads, rows),
            resting,
            table([f"{starts['servers']} servers, s", "median", "least", "most"], seconds),
        ]
    )


TABLES: Mapping[str, Callable[[Report], str]] = {
    "placement": placement_tables,
    "filter": filter_tables,
    "peers": peers_tables,
    "creates": creates_tables,
    "races": races_tables,
    "lab": lab_tables,
}


def machine_line(report: Report) -> str:
    """On what it was measured, and how disturbed."""
    before, after = report["machine"], report["machine_after"]
    fixed = before["fixed_work_ms"]
    loads = f"{before['load_average'][0]:g} before and {after['load_average'][0]:g} after"
    return (
        f"{before['processor']}, {before['cores']} cores, Python {before['python']}; load average "
        f"{loads}; a fixed piece of work of {before['fixed_work_min_ms']:.2f} ms took "
        f"{fixed['p50']:.2f} (median) to {fixed['p99']:.2f} ms (p99)."
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; figures to the right."""
    aligned = "|".join(["---", *("---:" for _ in heads[1:])])
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], f"|{aligned}|", *lines[1:]])


def _decision(name: str) -> str:
    count, _, rest = name.partition("_nics")
    nics = f"{count} NIC" + ("" if count == "1" else "s")
    rule = rest.removesuffix("infeasible").strip("_").replace("_", " ")
    said = [
        nics,
        *([rule] if rule else []),
        *(["none fits"] if rest.endswith("infeasible") else []),
    ]
    return ", ".join(said)


def _quantiles(figures: Mapping[str, float] | None) -> str:
    if figures is None:
        return NO_FIGURE
    text = f"{_figure(figures['p50'])} / {_figure(figures['p99'])}"
    return f"{text} ({_figure(figures['cpu_p99'])})" if "cpu_p99" in figures else text


def _times(growth: float | None) -> str:
    return "" if growth is None else f"× {growth:.3g}"


def _sides(figures: Mapping[str, float] | None) -> list[str]:
    if figures is None:
        return [NO_FIGURE] * 3
    ratios = f"{_figure(figures['ratio'])} ({_figure(figures['ratio_min'])})"
    return [_figure(figures["nova_ms"]), _figure(figures["trunkline_ms"]), ratios]


def _figure(value: float) -> str:
    """Three digits, but never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(placement: Report | None, nova: Report | None) -> str:
    """Cost by fleet size, half full, of requests for 4 NICs."""
    lines = [*(_nova_lines(nova) if nova else ()), *(_own_lines(placement) if placement else ())]
    return draw("Cost by fleet size: half full, 4 NICs, medians", "hosts", "ms", lines)


def _nova_lines(report: Report) -> Iterator[Line]:
    sizes = [size for size in report["results"] if isinstance(size["hosts"], int)]
    for mode, label in (("numa", "Nova, hosts with NUMA nodes"), ("plain", "Nova, without")):
        points = [(size["hosts"], size["half"][mode]["4_nics"]["nova_ms"]) for size in sizes]
        yield Line(label, points)


def _own_lines(placement: Report) -> Iterator[Line]:
    sizes = [(result["hosts"], result["half"]) for result in placement["results"]]
    yield Line("Trunkline, explain", [(n, half["explain_ms"]["p50"]) for n, half in sizes])
    for name, label in (("4_nics_infeasible", "none fits"), ("4_nics", "some host fits")):
        points = [(n, half["decide_ms"][name]["p50"]) for n, half in sizes]
        yield Line(f"Trunkline, {label}", points)


def read(name: str) -> Report | None:
    """What a benchmark measured last; None if it has not been run."""
    path = MEASURED / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def render(page: str, reports: Mapping[str, Report | None]) -> str:
    """Return the page with each table renewed, of which there is a report."""

    def renew(marks: re.Match[str]) -> str:
        report = reports.get(marks[2])
        return marks[0] if report is None else f"{marks[1]}{TABLES[marks[2]](report)}\n{marks[3]}"

    pattern = r"(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)"
    return re.sub(pattern, renew, page, flags=re.DOTALL)


if __name__ == "__main__":
    found = {name: read(name) for name in TABLES}
    TARGET.write_text(render(TARGET.read_text(), found))
    if found["placement"] or found["filter"]:
        PLOT.write_text(plot(found["placement"], found["filter"]))
