/** What is drawn on the canvas of a chart beside its line: bands, the group's lines, marks; and a picture of it all. */

import type uPlot from "uplot";
import { position } from "../format/decimal";
import { type Mark, type MarkKind, percent, type Seen } from "../history";
import { say } from "../words/say";
import { words } from "./figures";
import type { Lines } from "./ltvbar";

export type Colour = (name: string) => string;

/** A colour of the style sheet as the canvas takes it: it knows neither variables nor light-dark(). */
export function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** From the lowest to the highest of each step, as wide as the step is long. */
export function drawBands(u: uPlot, points: readonly Seen[], accent: string): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = accent;
  ctx.globalAlpha = 0.2;
  for (const p of points) {
    const [low, high] = [percent(p.low), percent(p.high)];
    if (low === null || high === null || p.to <= p.from) continue;
    const left = u.valToPos(p.from / 1000, "x", true);
    const right = u.valToPos(p.to / 1000, "x", true);
    const top = u.valToPos(high, "y", true);
    ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, u.valToPos(low, "y", true) - top));
  }
  ctx.restore();
}

const LINE_COLOURS: Readonly<Record<string, string>> = {
  initial: "--soft",
  margin_call: "--warn",
  liquidation: "--high",
  immediate: "--bad",
};

export function drawLines(u: uPlot, lines: Lines, colour: Colour): void {
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

/** Each kind has a shape of its own, so that none is told apart by its colour alone. */
export const SHAPES: Readonly<
  Record<MarkKind, { readonly sign: string; readonly colour: string; readonly name: string }>
> = {
  critical: { sign: "●", colour: "--bad", name: say("criticalAlert") },
  warning: { sign: "◐", colour: "--warn", name: say("warning") },
  info: { sign: "○", colour: "--good", name: say("notice") },
  deposit: { sign: "▲", colour: "--good", name: say("deposit") },
  withdrawal: { sign: "▼", colour: "--warn", name: say("withdrawal") },
  repayment: { sign: "◆", colour: "--good", name: say("repayment") },
  entry: { sign: "■", colour: "--soft", name: say("otherEntry") },
};
const ALERTS: readonly MarkKind[] = ["critical", "warning", "info"];

/** Alerts stand at the top, what was done to the group at the bottom. */
export function drawMarks(u: uPlot, marks: readonly Mark[], colour: Colour): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  for (const mark of marks) {
    const x = u.valToPos(mark.at / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const shape = SHAPES[mark.kind];
    const isAlert = ALERTS.includes(mark.kind);
    ctx.strokeStyle = ctx.fillStyle = colour(shape.colour);
    ctx.lineWidth = devicePixelRatio;
    ctx.globalAlpha = 0.35;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.textBaseline = isAlert ? "top" : "bottom";
    ctx.fillText(shape.sign, x, isAlert ? bbox.top : bbox.top + bbox.height);
  }
  ctx.restore();
}

const HEADING = 28;

/** The chart on the ground of its panel, below its name: what is pasted into a mail must say what it is. */
export function picture(u: uPlot, element: HTMLElement, group: string): Promise<Blob | null> {
  const from = u.ctx.canvas;
  const heading = HEADING * devicePixelRatio;
  const canvas = document.createElement("canvas");
  canvas.width = from.width;
  canvas.height = from.height + heading;
  const ctx = canvas.getContext("2d");
  if (!ctx) return Promise.resolve(null);
  ctx.fillStyle = resolved(element, "--panel");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = resolved(element, "--text");
  ctx.font = `600 ${13 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  ctx.fillText(say("ltvOfGroup", { group }), 10 * devicePixelRatio, heading / 2);
  ctx.drawImage(from, 0, heading);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
