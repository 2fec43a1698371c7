/** LTV over time with the group's own lines and its alerts on it. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { AlertItem, LtvItem } from "../answers.generated";
import { position } from "../format/decimal";
import { columns, marks } from "../history";
import { times, words } from "./figures";
import type { Lines } from "./ltvbar";

interface Props {
  readonly group: string;
  readonly points: readonly LtvItem[];
  readonly lines: Lines;
  readonly alerts: readonly AlertItem[];
}

const HEIGHT = 260;

export function LtvChart(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const make = (): uPlot =>
      new uPlot(
        options(element, () => now.current),
        columns(now.current.points),
        element,
      );
    plot.current = make();
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
  useEffect(() => plot.current?.setData(columns(props.points)), [props.points, props.alerts]);
  const last = props.points.at(-1);
  return (
    <div
      class="chart"
      ref={box}
      role="img"
      aria-label={`LTV of ${props.group} over time, ${props.points.length} points, now ${last?.last ?? "unknown"}`}
    />
  );
}

function options(element: HTMLElement, now: () => Props): uPlot.Options {
  const colour = (name: string): string => resolved(element, name);
  const axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--edge"), width: 1 },
    ticks: { stroke: colour("--edge") },
  };
  const line = { stroke: colour("--accent"), width: 2, spanGaps: false };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { points: { size: 6 } },
    legend: { show: true, live: true },
    scales: { y: { range: (_, low, high) => bounds(low, high, now().lines) } },
    axes: [
      { ...axis, space: 80, values: (_, at) => at.map((s) => times.clockOf(s * 1000)) },
      { ...axis, size: 56, values: (_, at) => at.map((v) => `${v}%`) },
    ],
    series: [
      { label: "Time", value: (_, s) => (s === null ? "–" : times.clockOf(s * 1000)) },
      { ...line, label: "LTV", value: told },
      { ...line, label: "lowest", width: 0, points: { show: false }, value: told },
      { ...line, label: "highest", width: 0, points: { show: false }, value: told },
    ],
    bands: [{ series: [3, 2], fill: `color-mix(in srgb, ${colour("--accent")} 18%, transparent)` }],
    hooks: { draw: [(u) => drawLines(u, now().lines, colour), (u) => drawAlerts(u, now(), colour)] },
  };
}

/** A colour of the style sheet as the canvas takes it: it knows neither variables nor light-dark(). */
function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function told(_: uPlot, value: number | null): string {
  return value === null ? "–" : `${value.toFixed(2)}%`;
}

/** What was seen, and every line that lies within ten points of it: the next line is what the reader looks for. */
export function bounds(low: number | null, high: number | null, lines: Lines): [number, number] {
  const from = low ?? 0;
  const to = high ?? 100;
  const near = Object.values(lines)
    .map((text) => position(text) * 100)
    .filter((v) => v > from - 10 && v < to + 10);
  const bottom = Math.min(from, ...near);
  const top = Math.max(to, ...near);
  const room = Math.max((top - bottom) * 0.08, 0.5);
  return [bottom - room, top + room];
}

const LINE_COLOURS: Readonly<Record<string, string>> = {
  initial: "--soft",
  margin_call: "--warn",
  liquidation: "--high",
  immediate: "--bad",
};

function drawLines(u: uPlot, lines: Lines, colour: (name: string) => string): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  for (const [name, text] of Object.entries(lines)) {
    const y = u.valToPos(position(text) * 100, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(LINE_COLOURS[name] ?? "--soft");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(words(name), bbox.left + 6 * devicePixelRatio, y - 2 * devicePixelRatio);
  }
  ctx.restore();
}

function drawAlerts(u: uPlot, { alerts, group }: Props, colour: (name: string) => string): void {
  const { ctx, bbox } = u;
  const [from, to] = [u.scales.x?.min ?? 0, u.scales.x?.max ?? 0];
  ctx.save();
  for (const alert of marks(alerts, group, from, to)) {
    const { severity } = alert.data;
    const x = u.valToPos(Date.parse(alert.timestamp) / 1000, "x", true);
    ctx.strokeStyle = ctx.fillStyle = colour(
      severity === "critical" ? "--bad" : severity === "warning" ? "--warn" : "--good",
    );
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.globalAlpha = 0.35;
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.arc(x, bbox.top + 5 * devicePixelRatio, 4 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}
