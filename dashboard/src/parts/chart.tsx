/** LTV over time: each value at its time, the group's own lines, and what happened as marks. A pointer tells the values. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { bounds, columns, type Mark, nearest, type Range, type Seen, SMALLEST_MS, zoomed } from "../history";
import { say } from "../words/say";
import { count, numbers, times } from "./figures";
import type { Lines } from "./ltvbar";
import { type Colour, drawBands, drawLines, drawMarks, picture, resolved } from "./plotted";

interface Props {
  readonly group: string;
  readonly points: readonly Seen[];
  readonly lines: Lines;
  readonly marks: readonly Mark[];
  readonly range: Range;
  /** Somebody drew a range on the chart, or asked for another by a key. */
  readonly onRange: (range: Range) => void;
  /** Filled with what makes a picture of the chart as it is. */
  readonly picture: RefObject<(() => Promise<Blob | null>) | null>;
}

const HEIGHT = 260;
/** Marks so near to the pointer, in pixels, are told with it. */
const NEAR = 7;
export function LtvChart(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const [pointer, setPointer] = useState<number | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const make = (): uPlot =>
      new uPlot(
        options(element, () => now.current, setPointer),
        columns(now.current.points),
        element,
      );
    plot.current = make();
    props.picture.current = () =>
      plot.current ? picture(plot.current, element, now.current.group) : Promise.resolve(null);
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    size.observe(element);
    // Colours are read when a chart is made, so another scheme makes another chart.
    const again = (): void => {
      plot.current?.destroy();
      plot.current = make();
    };
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", again);
    const theme = new MutationObserver(again);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      scheme.removeEventListener("change", again);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => {
    plot.current?.setData(columns(props.points));
  }, [props.points, props.marks, props.range.from, props.range.to]);
  const told = toldAt(props, pointer, box.current?.clientWidth ?? 1);
  return (
    <>
      <div
        class="chart"
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={say("ltvOfGroupOver", { group: props.group })}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, props.points.length - 1)}
        aria-valuenow={pointer ?? Math.max(0, props.points.length - 1)}
        aria-valuetext={told}
        onKeyDown={(e) => onKey(e, plot.current, props)}
      />
      <p class="readout num">{told}</p>
    </>
  );
}

function toldAt(props: Props, pointer: number | null, width: number): string {
  const point = props.points[pointer ?? props.points.length - 1];
  if (!point) return "";
  const share = (text: string | null): string => (text === null ? "–" : numbers.percent(text));
  const spread =
    point.low !== point.high ? say("lowestLowHighestHigh", { low: share(point.low), high: share(point.high) }) : "";
  const reach = ((props.range.to - props.range.from) / width) * NEAR;
  const near = pointer === null ? [] : props.marks.filter((m) => Math.abs(m.at - point.to) <= reach);
  const happened = near.map((m) => ` · ${m.says} ${times.clockOf(m.at)}`).join("");
  return say("dateLtvLastSpread", {
    Date: times.short(point.to, Date.now()),
    last: share(point.last),
    spread,
    happened,
  });
}

/** Arrows move the pointer, Page keys from mark to mark, + and - zoom about it, Escape lets it go. */
function onKey(event: KeyboardEvent, plot: uPlot | null, props: Props): void {
  if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
  const ends = props.points.map((p) => p.to);
  const last = ends.length - 1;
  const at = plot.cursor.idx ?? null;
  const go = (index: number): void => {
    const point = ends[Math.max(0, Math.min(last, index))];
    if (point !== undefined) plot.setCursor({ left: plot.valToPos(point / 1000, "x"), top: 10 });
  };
  const pointed = ends[at ?? last] ?? props.range.to;
  const toMark = (by: 1 | -1): void => {
    const marks =
      by === 1 ? props.marks.filter((m) => m.at > pointed) : props.marks.filter((m) => m.at < pointed).reverse();
    const mark = marks.find((m) => nearest(ends, m.at) !== at);
    if (mark) go(nearest(ends, mark.at));
  };
  if (event.key === "ArrowLeft") go((at ?? last + 1) - 1);
  else if (event.key === "ArrowRight") go((at ?? last) + 1);
  else if (event.key === "Home") go(0);
  else if (event.key === "End") go(last);
  else if (event.key === "PageUp") toMark(-1);
  else if (event.key === "PageDown") toMark(1);
  else if (event.key === "+") props.onRange(zoomed(props.range, 0.5, pointed));
  else if (event.key === "-") props.onRange(zoomed(props.range, 2, pointed));
  else if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 });
  else return;
  event.preventDefault();
}

function options(element: HTMLElement, now: () => Props, point: (index: number | null) => void): uPlot.Options {
  const colour: Colour = (name) => resolved(element, name);
  const axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--edge"), width: 1 },
    ticks: { stroke: colour("--edge") },
  };
  const accent = colour("--accent");
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [null, 28, null, null],
    cursor: { points: { size: 7 }, drag: { x: true, y: false, setScale: false }, y: false },
    legend: { show: false },
    scales: {
      x: { range: () => [now().range.from / 1000, now().range.to / 1000] },
      y: { range: () => bounds(now().points, now().lines) },
    },
    axes: [
      { ...axis, size: 34, space: 160, values: (_, at) => at.map((s) => timeOf(s * 1000, now().range)) },
      { ...axis, size: 56, values: (_, at) => at.map((v) => `${count(v)}%`) },
    ],
    series: [{}, { stroke: accent, width: 2, spanGaps: false }],
    hooks: {
      drawAxes: [(u) => drawBands(u, now().points, accent)],
      draw: [(u) => drawLines(u, now().lines, colour), (u) => drawMarks(u, now().marks, colour)],
      setCursor: [(u) => point(u.cursor.left !== undefined && u.cursor.left >= 0 ? (u.cursor.idx ?? null) : null)],
      setSelect: [(u) => drawnRange(u, now())],
    },
  };
}

/** The time of day, with its date where the range is longer than a day. */
function timeOf(at: number, range: Range): string {
  return range.to - range.from > 22 * 3600_000 ? times.short(at, 0) : times.clockOf(at);
}

function drawnRange(u: uPlot, { onRange }: Props): void {
  const { left, width } = u.select;
  const [from, to] = [u.posToVal(left, "x") * 1000, u.posToVal(left + width, "x") * 1000];
  if (width === 0) return;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (to - from >= SMALLEST_MS) onRange({ from: Math.round(from), to: Math.round(to) });
}
