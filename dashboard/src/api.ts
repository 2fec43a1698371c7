/** Requests to the monitor. Every failure is an ApiError that says in words what is wrong and, where known, where. */

import type { ProblemDetails } from "./answers.generated";
import { say } from "./words/say";

type Problems = NonNullable<ProblemDetails["errors"]>;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    detail: string,
    readonly problems: Problems = [],
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }

  /** This monitor does not have the path at all: an older version, or a part that is not there. */
  get isAbsent(): boolean {
    return (this.status === 404 && this.message.startsWith("there is no path")) || this.status === 405;
  }
}

const TIMEOUT_MS = 15_000;
const FILE_TIMEOUT_MS = 300_000;
let onUnauthorized = (): void => {};

/** Told whenever the monitor asks for a token. */
export function whenUnauthorized(tell: () => void): void {
  onUnauthorized = tell;
}

export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return ask<T>("GET", path, undefined, signal);
}

export function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return ask<T>("POST", path, body, signal);
}

/** Only if the group is still at this version: otherwise nothing happens, and the failure says so. */
export function postIfAt<T>(path: string, body: unknown, version: number): Promise<T> {
  return ask<T>("POST", path, body, undefined, { "If-Match": `"${version}"` });
}

export function remove<T>(path: string): Promise<T> {
  return ask<T>("DELETE", path);
}

type Headers = Readonly<Record<string, string>>;

async function ask<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  more: Headers = {},
): Promise<T> {
  const response = await send(method, path, "application/json", body, signal, more);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** The answer in another form than JSON, such as a table to save. */
export async function postFor(path: string, body: unknown, accept: string): Promise<Blob> {
  return (await send("POST", path, accept, body)).blob();
}

/** A file as it is. The monitor may read it for a while. */
export async function postFile<T>(path: string, file: Blob): Promise<T> {
  return (await send("POST", path, "application/json", file)).json() as Promise<T>;
}

async function send(
  method: string,
  path: string,
  accept: string,
  body?: unknown,
  signal?: AbortSignal,
  more: Headers = {},
) {
  // A form on another site cannot set this header, so a change is ours.
  const headers: Record<string, string> = { Accept: accept, "X-Requested-With": "monitor", ...more };
  const isFile = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
  const timeout = isFile ? FILE_TIMEOUT_MS : TIMEOUT_MS;
  const limit = AbortSignal.timeout(timeout);
  let response: Response;
  try {
    response = await fetch(served(path), {
      method,
      headers,
      body: isFile ? body : body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "same-origin",
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    const why = limit.aborted ? say("noAnswerWithinTimeout", { timeout: timeout / 1000 }) : say("theMonitorCannotBe");
    throw new ApiError(0, "unreachable", why);
  }
  if (!response.ok) throw await failure(response, path);
  return response;
}

async function failure(response: Response, path: string): Promise<ApiError> {
  const said: Partial<ProblemDetails> | null = await response.json().catch(() => null);
  const kind = String(said?.type ?? "").replace("urn:loan-monitor:", "") || "error";
  const detail = said?.detail ?? `HTTP ${response.status}`;
  const after = Number(response.headers.get("Retry-After")) || null;
  if (response.status === 401 && path !== "/v1/session") onUnauthorized();
  return new ApiError(response.status, kind, detail, said?.errors ?? [], after);
}

export function query(
  values: Readonly<Record<string, string | number | readonly string[] | null | undefined>>,
): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of typeof value === "object" ? value : [value]) params.append(key, String(one));
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

/** The address of a path of the monitor: beside the page, which a proxy may show below a path of its own. */
export const served = (path: string): string => `.${path}`;

export const path = (...parts: string[]): string => `/v1/${parts.map(encodeURIComponent).join("/")}`;
