"""What is made of the figures: keys, ratios, verdicts, the chart."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from bench import (
    deliveries,
    fenced,
    lateness,
    machine,
    memory,
    pages,
    path,
    peers,
    plain_storm,
    plot,
    reading,
    report,
    scrolling,
    sources,
    spread,
    storm,
    sweep,
)
from bench.report import LARGE, MIDDLE, SMALL, Measured

LATE = lateness.Lateness(np.array([0.5, 1.0]), np.array([0.1, 0.5, 1.0]), 3)


@pytest.fixture
def measured() -> Measured:
    """A run in which ours takes 1 ms at 10,000 groups, and peers a hundred times as long as ours."""
    times = {
        n: {"ours": [n * 1e-7] * 3, **{p: [n * 1e-5] * 3 for p in (*peers.PEERS, peers.RUNS)}}
        for n in (SMALL, MIDDLE, LARGE)
    }
    engine = sweep.Engine(
        {"sum": [0.1] * 3, "sweep": [0.02, 0.9, 0.02], "sweep2": [0.01] * 3, "one": [0.0004] * 3, "ten": [0.004] * 3},
        stream_bytes=10**9,
        swept_bytes={"amounts": 8 * 10**7, "members": 2 * 10**7},
    )
    whole = path.Figures(
        {"path": [0.05], "parse": [0.001], "handle": [0.03], "commit": [0.019], "sweep": [0.02]}, [0.0005], LATE, [0.1]
    )
    return Measured(
        {
            **dict.fromkeys(["cpu", "kernel", "python"], "x"),
            "cores": 2,
            "memory_gib": 1.0,
            "load_before": [0.0],
            "packages": {},
        },
        9.6,
        engine,
        times,
        {str(SMALL): [1e-3] * 3, str(LARGE): [0.1] * 3},
        LATE,
        whole,
        storm.Figures({"storm": [1e-5], "single": [1e-3]}, 12_000, 0.5),
        LATE,
        plain_storm.Figures(
            {"core": [2e-5], "commit": [3e-5], "core_before": [2e-4], "commit_before": [5e-5], "insert": [1e-5]},
            10_000,
            9_900,
            70.0,
        ),
        deliveries.Storm(
            10_000,
            50.0,
            {"single": deliveries.Figures(10_000, 2.0, 1.9), "batched": deliveries.Figures(1_700, 0.8, 0.7)},
            3.3,
        ),
        {n: sources.Cost(n, 100.0 + 50 * n, 900.0) for n in (1, 3, 5)},
        reading.Figures(10, [0.7], [0.1], [0.11], [0.1]),
        pages.Figures([7.5], [3.0, 9.0]),
        memory.Figures(390.0, {"arena": 50.0}),
        scrolling.Scrolled(100_000, 51.0),
        spread.Figures(
            9, {"one process": [0.02], "2 local": [0.01]}, {"2 local": 3.0}, {"2 local": 1.5}, {"2 local": 40.0}
        ),
        fenced.Figures(
            10_000, {"SQLite": [0.001], "PostgreSQL, fenced": [0.002]}, {"SQLite": [3e-5], "PostgreSQL, fenced": [1e-4]}
        ),
        60.0,
    )


def test_the_results_have_the_keys_that_were_agreed(measured: Measured) -> None:
    found = report.results(measured)
    assert set(found) == {
        "sweep_over_bandwidth",
        "speedup",
        "runs_over_ours",
        "two_threads",
        "tick_one",
        "tick_ten",
        "tick_one_over_csr",
        "tick_ten_over_csr",
        "path_over_sweep",
        "storm_gain",
        "storm_core_us",
        "storm_commit_us",
        "storm_commit_over_insert",
        "storm_gain_over_before",
        "storm_figures_us",
        "path_over_csr",
        "render_us",
        "render_us_at_3_ghz",
        "core_ghz",
        "webhooks_per_s",
        "sources",
        "sources_ms",
        "frame_ms",
        "first_read_over_decode",
        "reread_over_digest",
        "page_ms",
        "page_changed_ms",
        "midnight_sweeps",
        "bytes_per_group",
        "loop_lateness_storm_p99_ms",
        "loop_lateness_p99_ms",
        "scroll_task_ms",
        "over_shards",
        "over_shards_kept",
        "behind_a_fence",
        "machine",
    }
    assert set(found["speedup"]) == {
        "numba_csr",
        "numpy",
        "polars",
        "duckdb",
        "pandas",
        "python_float",
        "python_decimal",
    }
    assert all(set(by_size) == {"10000", "100000", "1000000"} for by_size in found["speedup"].values())


def test_ratios_are_of_medians(measured: Measured) -> None:
    found = report.results(measured)
    assert found["sweep_over_bandwidth"] == pytest.approx(2.0)
    assert found["speedup"]["numpy"]["100000"] == pytest.approx(100)
    assert found["two_threads"] == pytest.approx(0.5)
    assert found["tick_one"] == pytest.approx(0.02)
    assert found["tick_ten"] == pytest.approx(0.2)
    assert found["path_over_sweep"] == pytest.approx(2.5)
    assert found["storm_gain"] == pytest.approx(100)
    assert found["storm_commit_over_insert"] == pytest.approx(3)
    assert found["storm_gain_over_before"] == pytest.approx(5)
    assert found["first_read_over_decode"] == pytest.approx(7)
    assert found["reread_over_digest"] == pytest.approx(1.1)
    assert found["midnight_sweeps"] == pytest.approx(0.05)  # 5 of ours: the kernels before take a hundred times as long
    assert found["machine"]["read_gb_per_s"] == pytest.approx(10)


def test_what_is_missed_is_said(measured: Measured) -> None:
    missed = [row.key for row in report.rows(measured) if not row.is_met]
    assert missed == ["python_float", "python_decimal", "path_over_sweep", "bytes_per_group", "scroll_task_ms"]
    text = report.markdown(measured, "growth.svg", "As it was.")
    assert (
        "- whole path, 1M, frame received to alert durable, against the sweep: 2.5x, to reach at most 2x: 25% off."
        in text
    )
    assert "![Cost of a tick by number of groups](growth.svg)" in text


@pytest.mark.parametrize(
    ("measured", "at_least", "verdict"),
    [
        (99.0, False, "yes"),
        (110.0, False, "yes, within 10 %"),
        (110.1, False, "**no**"),
        (100.0, True, "yes"),
        (90.0, True, "yes, within 10 %"),
        (89.9, True, "**no**"),
    ],
)
def test_what_is_nearly_met_says_so(measured: float, at_least: bool, verdict: str) -> None:
    assert report.Row("growth", "growth", 100, measured, at_least=at_least).verdict == verdict


def test_without_a_browser_the_page_has_no_figure(measured: Measured) -> None:
    blind = measured._replace(scrolled=None)
    assert "scroll_task_ms" not in [row.key for row in report.rows(blind)]
    assert report.results(blind)["scroll_task_ms"] is None


def test_the_longest_task_is_of_the_page_s_own_thread() -> None:
    def event(name: str, tid: int, **more: object) -> dict[str, object]:
        return {"name": name, "pid": 1, "tid": tid, **more}

    events = [
        event("thread_name", 7, args={"name": scrolling.MAIN}),
        event("thread_name", 8, args={"name": "Compositor"}),
    ]
    events += [event("RunTask", 7, tdur=2_000), event("RunTask", 8, tdur=90_000), event("Layout", 7, tdur=80_000)]
    assert scrolling.longest_task(events) == 2.0


def test_a_run_writes_three_files(measured: Measured, tmp_path: Path) -> None:
    report.write(measured, tmp_path, ".quick", "As it was.")
    assert {p.name for p in tmp_path.iterdir()} == {"results.quick.json", "RESULTS.quick.md", "growth.quick.svg"}
    assert json.loads((tmp_path / "results.quick.json").read_text())["storm_gain"] == 100


def test_a_chart_is_xml_with_a_label_for_each_line_and_none_over_another() -> None:
    lines = {"ours": [(10, 1.0), (1000, 50.0)], "a & b": [(10, 2.0), (1000, 51.0)]}
    root = ET.fromstring(plot.chart("Title", "x", "y", lines, [(10, 1), (1000, 100)]))
    texts = {t.text: float(t.get("y", "0")) for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Title", "ours", "a & b", "100"} <= set(texts)
    assert abs(texts["ours"] - texts["a & b"]) >= plot.LABEL


def test_only_sleeps_that_a_sweep_fell_into_count_as_during() -> None:
    samples = np.array([[0.0, 0.0012], [1.0, 1.003], [2.0, 2.001]])
    found = lateness.judged(samples, np.array([[1.002, 1.5], [1.9, 2.0005]]))
    assert found.during_ms == pytest.approx([2.0, 0.0])
    assert found.all_ms == pytest.approx([0.2, 2.0, 0.0])


def test_the_machine_is_described_without_its_name() -> None:
    facts = machine.facts()
    assert facts["cores"] >= 1
    assert machine.rss_bytes() > 10_000_000
    assert not {"host", "node", "path"} & set(facts)


def test_what_shards_took_stands_beside_one_process_and_beside_what_is_kept(measured: Measured) -> None:
    run = {
        "day": "2026-01-05",
        "commit": "abc1234",
        "machine": {"cpu": "x", "cores": 2, "memory_gib": 8, "load_before": [0.5]},
        "memory": {"4 shards": 332.2},
        **measured.over_shards.results,
    }
    lines = report.shards_section(measured.over_shards.results, {"10000000": {**run, "groups": 10_000_000}})
    assert "| 2 local | 10 | 0.5 | 3 | 1.5 | 40 |" in lines
    assert lines.count("| one process | 20 |  |  |  |  |") == 2
    assert (
        "10,000,000 groups, by an earlier run alone, on 2026-01-05 of abc1234: x, 2 cores, 8 GiB, load before 0.5."
        in lines
    )
    assert "| 4 shards | 332 |" in lines
    assert report.results(measured)["over_shards"]["tick_over_one"] == {"2 local": 0.5}


def test_a_run_over_shards_is_put_into_the_report_that_is_there(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would stand there after another `make bench`, and all else stays as it is."""
    report.write(measured, tmp_path, "", "As it was.")
    run = {"day": "2026-01-05", "machine": {"cpu": "x", "cores": 2, "memory_gib": 8, "load_before": [0.5]}}
    kept = {"10000": {**run, **measured.over_shards.results, "groups": 10_000}}
    report.show_over_shards(tmp_path, kept)
    shown = [(tmp_path / name).read_text() for name in ("RESULTS.md", "results.json")]
    monkeypatch.setattr(report.spread, "kept", lambda: kept)
    report.write(measured, tmp_path, "", "As it was.")
    assert shown == [(tmp_path / name).read_text() for name in ("RESULTS.md", "results.json")]
    assert "10,000 groups, by an earlier run alone" in shown[0]


def test_commits_behind_a_fence_stand_beside_those_of_sqlite(measured: Measured) -> None:
    text = report.markdown(measured, "chart.svg", "")
    assert "| PostgreSQL, fenced | 2 | 100 |" in text
    assert report.results(measured)["behind_a_fence"]["storm_us"]["SQLite"] == pytest.approx(30)


def test_what_decides_about_a_rendered_alert_is_its_time_at_3_ghz(measured: Measured) -> None:
    """50 us at 3.3 GHz are 55 at 3."""
    assert report.results(measured)["render_us"] == 50.0
    row = next(row for row in report.rows(measured) if row.key == "render_us")
    assert row.measured == pytest.approx(55.0)
    assert "3.30 GHz, 55.0 at 3 GHz" in report.markdown(measured, "growth.svg", "")
