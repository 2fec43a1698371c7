/** Who reads, and what they may do. */

import type { SessionItem, SignInWays } from "./answers.generated";
import { ApiError, get, post, remove } from "./api";
import { Store } from "./live/store";

export interface Access {
  readonly state: "asking" | "open" | "signed-in" | "sign-in";
  readonly who: SessionItem | null;
}

/** `open`: this monitor asks for no sign-in, so there is no sign-out. */
export const access = new Store<Access>({ state: "asking", who: null });

export async function look(): Promise<void> {
  try {
    const who = await get<SessionItem>("/v1/session");
    access.set({ state: who.cookie || who.sign_out_url ? "signed-in" : "open", who });
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) access.set({ state: "sign-in", who: null });
    else access.set({ state: "open", who: null });
  }
}

export async function signIn(token: string): Promise<void> {
  await post("/v1/session", { token });
  await look();
}

export async function signOut(): Promise<void> {
  const there = access.get().who?.sign_out_url;
  await remove("/v1/session").catch(() => null);
  // Nothing of what was shown may stay in memory for the next reader.
  if (there) location.assign(there);
  else location.reload();
}

/** How people sign in here; null where the monitor does not say. */
export async function ways(): Promise<SignInWays | null> {
  return get<SignInWays>("/v1/sign-in/ways").catch(() => null);
}

export function mayOperate(): boolean {
  const { who } = access.get();
  return who === null || who.may.includes("operate");
}

/** Enters what happened to the loans. */
export function mayFeed(): boolean {
  const { who } = access.get();
  return who === null || who.may.includes("feed");
}

/** An admin of the whole desk; where no sign-in is asked for, everybody is. */
export function mayAdminister(): boolean {
  const { who } = access.get();
  return who === null || (who.may.includes("admin") && Object.keys(who.scope).length === 0);
}
