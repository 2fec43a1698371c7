/** How a request goes out and what its answer means. Written by hand; the operations are made from the contract. */
import type { ProblemDetails } from "./models.js";

type Value = string | number | boolean | readonly string[] | undefined;

/** The monitor refused; `problem` says what is wrong, where, and what to do about it. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly problem: ProblemDetails,
  ) {
    super(`${status}: ${problem.detail}`);
  }
}

export interface Settings {
  readonly token?: string;
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

export interface Asked {
  readonly ids?: readonly string[];
  readonly query?: Readonly<Record<string, Value>>;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Statuses beside 2xx that are answers. */
  readonly also?: readonly number[];
}

/** Where the monitor is, and the token that it asks for. */
export class Connection {
  readonly #url: string;
  readonly #settings: Settings;

  constructor(url: string, settings: Settings = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#settings = settings;
  }

  /** The answer: JSON, a text, or undefined where it has no content. Throws ApiProblem, and what fetch throws. */
  async ask<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
    const ids = [...(asked.ids ?? [])];
    const place = path.replace(/\{\}/g, () => encodeURIComponent(ids.shift() ?? ""));
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked.query ?? {})) {
      const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
      for (const each of values) query.append(name, String(each));
    }
    for (const [name, value] of Object.entries(asked.labels ?? {})) query.append(`label.${name}`, value);
    const headers = new Headers();
    for (const [name, value] of Object.entries(asked.headers ?? {})) if (value !== undefined) headers.set(name, value);
    const { token, timeoutMs } = this.#settings;
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(timeoutMs ?? 15_000) };
    if (asked.body !== undefined) {
      const isFile = asked.body instanceof Uint8Array;
      headers.set("Content-Type", isFile ? "application/octet-stream" : "application/json");
      init.body = isFile ? (asked.body as Uint8Array<ArrayBuffer>) : JSON.stringify(asked.body);
    }
    const text = query.size > 0 ? `?${query}` : "";
    const answer = await (this.#settings.fetch ?? fetch)(`${this.#url}${place}${text}`, init);
    const isJson = /json(;|$)/.test(answer.headers.get("Content-Type") ?? "");
    const found: unknown = answer.status === 204 ? undefined : isJson ? await answer.json() : await answer.text();
    if (answer.ok || asked.also?.includes(answer.status)) return found as T;
    throw new ApiProblem(answer.status, isJson ? (found as ProblemDetails) : unread(answer, place));
  }
}

function unread(answer: Response, instance: string): ProblemDetails {
  const title = "The answer is not the monitor's";
  return { type: "about:blank", title, status: answer.status, detail: `${title}; is that its address?`, instance };
}
