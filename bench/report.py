"""From what was measured to results.json and RESULTS.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import deliveries, fenced, pages, path, peers, plain_storm, plot, reading, scrolling, sources, spread, storm
from bench.lateness import Lateness
from bench.memory import Figures as Memory
from bench.misses import WHY
from bench.rounds import Seconds, medians
from bench.sweep import OURS, Engine

SMALL, MIDDLE, LARGE = 10_000, 100_000, 1_000_000
FASTER = {
    "numba_csr": {SMALL: 2.5, MIDDLE: 3.5, LARGE: 4.0},
    "numpy": {LARGE: 30},
    "polars": {LARGE: 50},
    "duckdb": {LARGE: 38},
    "pandas": {LARGE: 80},
    "python_float": {LARGE: 110},
    "python_decimal": {LARGE: 290},
}
"""How many times faster than a peer the sweep is to be, by the number of groups."""
FASTER_THAN_RUNS = {MIDDLE: 2.1, LARGE: 1.9}
"""The same against the screen as it was before, on any machine."""


SOURCES = {3: 2.0, 5: 3.0}
"""How many times dearer a frame may be where so many feeds price the same coins."""

WEBHOOKS = {"single": 4_000, "batched": 12_000}
"""Alerts a second that reach a local receiver."""


class Measured(NamedTuple):
    """All that a run found."""

    machine: dict[str, Any]
    positions: float
    """Positions of collateral and debt in a group, on average."""
    engine: Engine
    peers: dict[int, Seconds]
    growth: Seconds
    lateness: Lateness
    path: path.Figures
    storm: storm.Figures
    storm_lateness: Lateness
    """How late the event loop is while core handles storms."""
    by_column: plain_storm.Figures
    webhooks: deliveries.Storm
    sources: dict[int, sources.Cost]
    """By number of feeds."""
    reading: reading.Figures
    pages: pages.Figures
    memory: Memory
    scrolled: scrolling.Scrolled | None
    """None where there was no browser."""
    over_shards: spread.Figures
    behind_a_fence: fenced.Figures | None
    """None where there was no PostgreSQL."""
    took_s: float


OVER_SHARDS = "\n## Over shards\n\n"
NEAR = 0.1
"""The targets are ratios, which move by some per cent from run to run."""


class Row(NamedTuple):
    """A figure and what it is to reach."""

    key: str
    what: str
    limit: float
    measured: float
    unit: str = "x"
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """Within NEAR of what is to reach counts as met; the list of what is missed has it all the same."""
        nearly = self.measured >= self.limit * (1 - NEAR) if self.at_least else self.measured <= self.limit * (1 + NEAR)
        return "yes" if self.is_met else "yes, within 10 %" if nearly else "**no**"

    @property
    def target(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def results(m: Measured) -> dict[str, Any]:
    """The figures under the keys of results.json."""
    e, p, s = medians(m.engine.seconds), medians(m.path.seconds), medians(m.storm.seconds)
    csr = medians(m.peers[LARGE])["numba_csr"]
    return {
        "sweep_over_bandwidth": e["sweep"] / bound_s(m.engine),
        "speedup": {
            name: {str(n): median[name] / median[OURS] for n, median in _by_size(m.peers)} for name in peers.PEERS
        },
        "runs_over_ours": {
            str(n): median[peers.RUNS] / median[OURS] for n, median in _by_size(m.peers) if n in FASTER_THAN_RUNS
        },
        "two_threads": e["sweep2"] / e["sweep"],
        "tick_one": e["one"] / e["sweep"],
        "tick_ten": e["ten"] / e["sweep"],
        "tick_one_over_csr": e["one"] / csr,
        "tick_ten_over_csr": e["ten"] / csr,
        "path_over_sweep": p["path"] / p["sweep"],
        "path_over_csr": p["path"] / csr,
        "storm_gain": s["single"] / s["storm"],
        **m.by_column.results,
        "render_us": m.webhooks.render_us,
        "render_us_at_3_ghz": m.webhooks.render_us_at_3_ghz,
        "core_ghz": m.webhooks.core_ghz,
        "webhooks_per_s": m.webhooks.a_second,
        "sources": {str(n): cost.median_us / m.sources[1].median_us for n, cost in m.sources.items()},
        "sources_ms": {str(n): cost.median_us / 1e3 for n, cost in m.sources.items()},
        "frame_ms": {str(n): cost.median_us / 1e3 for n, cost in m.sources.items()},
        "first_read_over_decode": m.reading.first_over_decode,
        "reread_over_digest": m.reading.reread_over_digest,
        **m.pages.results,
        "midnight_sweeps": statistics.median(m.path.midnights) / p["sweep"] / _slower_runs(m),
        "bytes_per_group": m.memory.total,
        "loop_lateness_p99_ms": m.lateness.p99_ms,
        "loop_lateness_storm_p99_ms": m.storm_lateness.p99_ms,
        "scroll_task_ms": None if m.scrolled is None else m.scrolled.longest_ms,
        "over_shards": m.over_shards.results,
        "over_shards_kept": spread.kept(),
        "behind_a_fence": None if m.behind_a_fence is None else m.behind_a_fence.results,
        "machine": {**m.machine, "read_gb_per_s": bandwidth(m.engine) / 1e9},
    }


def _slower_runs(m: Measured) -> float:
    """How many of our sweeps a sweep of the kernels before slices takes: figures of the past were counted in those."""
    largest = medians(m.peers[LARGE])
    return largest[peers.RUNS] / largest[OURS]


def bandwidth(engine: Engine) -> float:
    """Bytes that one thread reads in a second."""
    return engine.stream_bytes / medians(engine.seconds)["sum"]


def bound_s(engine: Engine) -> float:
    """Seconds in which one thread could read as many bytes as a sweep reads and writes."""
    return sum(engine.swept_bytes.values()) / bandwidth(engine)


def rows(m: Measured) -> list[Row]:
    """The figures of the table."""
    r, grown = results(m), medians(m.growth)
    first, last = min(grown, key=int), max(grown, key=int)
    return [
        Row("sweep_over_bandwidth", "full sweep, one thread, 1M groups, over the bandwidth bound", 2.0,
            r["sweep_over_bandwidth"]),
        *(
            Row(name, f"full sweep, one thread, {n:,} groups, against {name.replace('_', ' ')}", limit,
                r["speedup"][name][str(n)], at_least=True)
            for name, limits in FASTER.items() for n, limit in limits.items()
        ),
        *(
            Row("runs_over_ours", f"full sweep, one thread, {n:,} groups, against our kernels before slices", limit,
                r["runs_over_ours"][str(n)], at_least=True)
            for n, limit in FASTER_THAN_RUNS.items()
        ),
        Row("two_threads", "two threads against one, 1M", 0.6, r["two_threads"]),
        Row("tick_one", "one tail asset, 1M, against a numba CSR sweep", 0.012, r["tick_one_over_csr"]),
        Row("tick_ten", "ten random assets, 1M, against a numba CSR sweep", 0.10, r["tick_ten_over_csr"]),
        Row("path_over_sweep", "whole path, 1M, frame received to alert durable, against the sweep", 2.0,
            r["path_over_sweep"]),
        Row("storm_gain", "10,000 alerts in one tick, durable, per alert, against single commits", 50, r["storm_gain"],
            at_least=True),
        Row("path_over_csr", "whole path, 1M, against a numba CSR sweep", 1.0, r["path_over_csr"]),
        Row("storm_gain_over_before", "core and commit of a storm of 10,000, by column against one by one", 5,
            r["storm_gain_over_before"], at_least=True),
        Row("storm_commit_over_insert", "commit of that storm against a bare insert of its rows", 4,
            r["storm_commit_over_insert"]),
        Row("render_us", "one rendered alert, on a core of 3 GHz", 60, r["render_us_at_3_ghz"], " us"),
        *(
            Row(f"webhooks_{way}", f"webhooks a second from a storm, one core each, {way}", limit,
                r["webhooks_per_s"][way], at_least=True, unit=" a second")
            for way, limit in WEBHOOKS.items()
        ),
        *(
            Row(f"sources_{n}", f"a frame of 600 coins in core, {n} feeds against one", limit, r["sources"][str(n)])
            for n, limit in SOURCES.items()
        ),
        Row("sources_ms", "a frame of 600 coins in core, 3 feeds", 0.3, r["sources_ms"]["3"], " ms"),
        Row("first_read_over_decode", "first read of a book against the typed decode of its lines", 8,
            r["first_read_over_decode"]),
        Row("reread_over_digest", "re-read of an unchanged file at a restart against a digest of it", 1.5,
            r["reread_over_digest"]),
        Row("page_ms", "longest turn of core with a page of new groups", 10, r["page_ms"], " ms"),
        Row("page_changed_ms", "turns of core with a page of changed groups, p99", 10, r["page_changed_ms"], " ms"),
        Row("midnight_sweeps", "a midnight's interest in sweeps of our kernels before slices, 1M", 6, r["midnight_sweeps"]),
        Row("growth", f"cost of a tick from {int(first):,} to {int(last):,} groups", int(last) / int(first),
            grown[last] / grown[first]),
        Row("loop_lateness_p99_ms", "lateness of the event loop during sweeps, 1M, p99", 5, r["loop_lateness_p99_ms"],
            " ms"),
        Row("loop_lateness_ticks_p99_ms", "lateness of the event loop while core handles frames, 1M, p99", 5,
            m.path.lateness.p99_ms, " ms"),
        Row("loop_lateness_storm_p99_ms", "lateness of the event loop while core handles storms, p99", 5,
            r["loop_lateness_storm_p99_ms"], " ms"),
        Row("bytes_per_group", "memory a group, 1M", 370, r["bytes_per_group"], " bytes"),
        *(
            [Row("scroll_task_ms", f"longest task of the page while {m.scrolled.rows:,} rows scroll by", 50,
                m.scrolled.longest_ms, " ms")] if m.scrolled else []
        ),
    ]  # fmt: skip


def write(m: Measured, folder: Path, suffix: str, method: str) -> None:
    """Writes results{suffix}.json, RESULTS{suffix}.md and growth{suffix}.svg."""
    (folder / f"results{suffix}.json").write_text(json.dumps(rounded(results(m)), indent=2) + "\n")
    (folder / f"growth{suffix}.svg").write_text(growth_chart(m))
    (folder / f"RESULTS{suffix}.md").write_text(markdown(m, f"growth{suffix}.svg", method))


def growth_chart(m: Measured) -> str:
    """Cost of a tick by size of the book, ours and the peers'."""
    grown = sorted((int(n), s * 1e3) for n, s in medians(m.growth).items())
    lines = {"this project": grown}
    for name in {name: None for seconds in m.peers.values() for name in seconds if name != OURS}:
        points = [(n, median[name] * 1e3) for n, median in _by_size(m.peers) if name in median]
        lines[name.replace("_", " ")] = points
    (n0, ms0), (n1, _) = grown[0], grown[-1]
    return plot.chart(
        "A tick in which every price is new, one thread of ours (dashed: linear)", "loan groups", "milliseconds a tick",
        lines, [(n0, ms0), (n1, ms0 * n1 / n0)],
    )  # fmt: skip


def markdown(m: Measured, chart: str, method: str) -> str:
    """The report."""
    table = rows(m)
    missed = [row for row in table if not row.is_met]
    return "\n".join([
        "# What a million loan groups cost", "",
        "Written by `make bench`. Ratios of medians of interleaved rounds are results; absolute times are colour.",
        "", *_machine(m), "", "## Figures", "", *_table(
            ("figure", "to reach", "measured", "met"),
            ((r.what, r.target, f"{_short(r.measured)}{r.unit}", r.verdict) for r in table),
        ), "", "## Missed", "", *([_miss(row) for row in missed] or ["Nothing."]), "",
        "## How the cost grows", "", f"![Cost of a tick by number of groups]({chart})", "",
        "## Sweeps side by side", "", *_sweeps(m), "", "## The sweep and memory bandwidth", "", *_bandwidth(m), "",
        "## The path, the storm, the loop", "", *_path(m), OVER_SHARDS.rstrip("\n"), "",
        *shards_section(m.over_shards.results, spread.kept()), "", "## Behind the fence of a lease", "",
        *_fenced(m.behind_a_fence), "", "## Memory", "", *_memory(m), "", "## Method", "", method,
    ])  # fmt: skip


def _machine(m: Measured) -> list[str]:
    f = m.machine
    packages = ", ".join(f"{name} {version}" for name, version in f["packages"].items())
    return [
        f"{f['cpu']}, {f['cores']} cores, {f['memory_gib']} GiB, Linux {f['kernel']}, Python {f['python']}; {packages}. "
        f"One thread reads {bandwidth(m.engine) / 1e9:.1f} GB/s. Load before the run: "
        f"{', '.join(map(str, f['load_before']))}. The run took {m.took_s / 60:.1f} minutes."
    ]


def _miss(row: Row) -> str:
    off = abs(row.measured / row.limit - 1)
    why = WHY.get(row.key, "Not looked into yet.")
    return f"- {row.what}: {_short(row.measured)}{row.unit}, to reach {row.target}: {off:.0%} off. {why}"


def _sweeps(m: Measured) -> Iterable[str]:
    names = list(dict.fromkeys(name for seconds in m.peers.values() for name in seconds))
    head = ["contender"]
    for n, seconds in m.peers.items():
        head += [f"{n:,}: ms ({len(seconds[OURS])} rounds)", "times ours"]
    by_size = _by_size(m.peers)

    def line(name: str) -> Iterable[str]:
        yield name.replace("_", " ")
        for _, median in by_size:
            yield _short(median[name] * 1e3) if name in median else "-"
            yield _short(median[name] / median[OURS]) if name in median else "-"

    return _table(head, map(line, names))


def _bandwidth(m: Measured) -> Iterable[str]:
    ms, size = _ms(m.engine.seconds), m.engine.swept_bytes
    yield from _table(
        ("read or written by a sweep of 1M groups", "MB"), ((k, f"{v / 1e6:.1f}") for k, v in size.items())
    )
    yield ""
    yield (
        f"Together {sum(size.values()) / 1e6:.1f} MB, at the bandwidth of this run {bound_s(m.engine) * 1e3:.2f} ms. "
        f"The sweep by one thread took {ms['sweep']:.2f} ms, {ms['sweep'] * 1e6 / LARGE / m.positions:.2f} ns a position, "
        f"by two {ms['sweep2']:.2f} ms; one tail asset {ms['one']:.3f} ms, ten assets {ms['ten']:.2f} ms "
        f"({len(m.engine.seconds['sweep'])} rounds)."
    )


def _path(m: Measured) -> Iterable[str]:
    path, storm, changed = _ms(m.path.seconds), _ms(m.storm.seconds), sorted(m.path.changed)
    yield (
        f"- Path at 1M: {path['path']:.1f} ms, of it decoding {path['parse']:.2f}, core {path['handle']:.1f}, commit "
        f"{path['commit']:.1f}; in the median tick {changed[len(changed) // 2]:.3%} of the groups changed stage; a sweep "
        f"by one thread in turns with it {path['sweep']:.1f} ms ({len(changed)} rounds)."
    )
    yield (
        f"- Storm: {storm['storm'] * 1e3:.1f} µs an alert in one commit, {storm['single'] * 1e3:.0f} µs by commits of their "
        f"own ({len(m.storm.seconds['storm'])} rounds); core raised {m.storm.handled:,} alerts in one tick in "
        f"{m.storm.handle_s * 1e3:.0f} ms."
    )
    yield (
        f"- One rendered alert: {m.webhooks.render_us:.1f} µs on a core that ran at {m.webhooks.core_ghz:.2f} GHz, "
        f"{m.webhooks.render_us_at_3_ghz:.1f} at 3 GHz."
    )
    by_column = m.by_column.results
    yield (
        f"- Storm by column: core {by_column['storm_core_us']:.1f} µs an alert, commit {by_column['storm_commit_us']:.1f}, "
        f"for {m.by_column.alerts:,} alerts on two channels, {m.by_column.light:,} of them by column; the figures of one "
        f"take {by_column['storm_figures_us']:.0f} µs later."
    )
    costs = ", ".join(f"{n}: {cost.median_us:.0f} µs (p99 {cost.p99_us:.0f})" for n, cost in m.sources.items())
    yield f"- A frame of 600 coins in core, by the number of feeds that price them: {costs}."
    for what, late in (
        ("two threads sweep, 1M groups", m.lateness),
        ("core handles whole frames, 1M groups", m.path.lateness),
        ("core handles storms of ten thousand alerts", m.storm_lateness),
    ):
        yield (
            f"- Event loop while {what}: p99 {late.p99_ms:.2f} ms late, over {len(late.during_ms):,} sleeps of "
            f"1 ms that one of {late.sweeps} fell into."
        )


def shards_section(now: dict[str, Any], kept: dict[str, Any]) -> list[str]:
    """What this run found of a book over shards, and what is kept of others."""
    lines = _over_shards(now)
    for groups, run in sorted(kept.items(), key=lambda item: int(item[0])):
        facts, of = run["machine"], f" of {run['commit']}" if run.get("commit") else ""
        title = (
            f"{int(groups):,} groups, by an earlier run alone, on {run['day']}{of}: {facts['cpu']}, {facts['cores']} "
        )
        title += f"cores, {facts['memory_gib']} GiB, load before {', '.join(map(str, facts['load_before']))}."
        lines += ["", title, "", *_over_shards(run)]
        if memory := run.get("memory"):
            lines += [
                "",
                *_table(("memory", "bytes a group"), ((name, f"{size:.0f}") for name, size in memory.items())),
            ]
    return lines


def show_over_shards(folder: Path, kept: dict[str, Any]) -> None:
    """Puts what is kept of shards into the report that was written last; all else stays."""
    found, told = folder / "results.json", folder / "RESULTS.md"
    results = json.loads(found.read_text())
    found.write_text(json.dumps({**results, "over_shards_kept": kept}, indent=2) + "\n")
    before, _, rest = told.read_text().partition(OVER_SHARDS)
    _, end, after = rest.partition("\n## ")
    section = "\n".join(shards_section(results["over_shards"], kept))
    told.write_text(f"{before}{OVER_SHARDS}{section}\n{end}{after}")


def _over_shards(run: dict[str, Any]) -> list[str]:
    head = (
        f"{run['groups']:,} groups",
        "tick, ms",
        "over one process",
        "loads the book, s",
        "replaces one, s",
        "a call, us",
    )

    def cell(key: str, name: str) -> str:
        return _short(run[key][name]) if name in run[key] else ""

    keys = ("tick_ms", "tick_over_one", "load_s", "replaced_s", "call_us")
    return _table(head, ((name, *(cell(key, name) for key in keys)) for name in run["tick_ms"]))


def _fenced(found: fenced.Figures | None) -> list[str]:
    if found is None:
        return ["There was no PostgreSQL on this machine."]
    r = found.results
    head = ("store", "a commit, ms", f"an alert of {found.alerts:,} in one commit, us")
    return _table(head, ((name, _short(ms), _short(r["storm_us"][name])) for name, ms in r["single_ms"].items()))


def _memory(m: Measured) -> Iterable[str]:
    counted = sum(m.memory.parts.values())
    parts = [(name, f"{size:.1f}") for name, size in sorted(m.memory.parts.items(), key=lambda item: -item[1])]
    rest = ("not counted by any part", f"{m.memory.total - counted:.1f}")
    return _table(("part", "bytes a group"), [*parts, rest, ("**all** (resident)", f"{m.memory.total:.1f}")])


def _ms(seconds: Seconds) -> dict[str, float]:
    return {name: s * 1e3 for name, s in medians(seconds).items()}


def _by_size(peers: dict[int, Seconds]) -> list[tuple[int, dict[str, float]]]:
    return [(n, medians(seconds)) for n, seconds in peers.items()]


def _table(head: Sequence[str], lines: Iterable[Iterable[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)]


def _short(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rounded(value: Any) -> Any:
    """Four significant digits, at any depth."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
