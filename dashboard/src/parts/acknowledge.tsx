/** Tells the colleagues that a stage is in hand: its reminders rest. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { AckShown } from "../answers.generated";
import { type ApiError, path, post, remove } from "../api";
import { mayOperate } from "../session";
import { say } from "../words/say";
import { Time } from "./figures";
import { Failure } from "./notices";

interface Props {
  readonly alert: string;
  readonly acknowledged: (AckShown & { readonly alert?: string }) | null | undefined;
  readonly onDone: () => void;
  /** The key `a` opens it. */
  readonly keyed?: boolean;
}

const HOURS: readonly [string, string][] = [
  ["", say("asLongAsThe")],
  ["1", say("for1Hour")],
  ["4", say("for4Hours")],
  ["24", say("for24Hours")],
];

export function Acknowledge({ alert, acknowledged, onDone, keyed }: Props) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    if (!keyed) return;
    const onKey = (e: KeyboardEvent): void => {
      if (e.key !== "a" || e.ctrlKey || e.metaKey || e.altKey) return;
      if ((e.target as HTMLElement).closest("input, select, textarea, dialog")) return;
      e.preventDefault();
      setOpen(true);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [keyed]);
  const back = async (): Promise<void> => {
    try {
      await remove(path("alerts", acknowledged?.alert ?? alert, "ack"));
      onDone();
    } catch (e) {
      setError(e as ApiError);
    }
  };
  if (acknowledged)
    return (
      <div class="acknowledged">
        <p>
          <span class="pill ack">{say("acknowledged")}</span> {say("byWithin")} <strong>{acknowledged.by}</strong>,{" "}
          <Time at={acknowledged.at} />
          {acknowledged.until && (
            <>
              {" "}
              {say("until")} <Time at={acknowledged.until} />
            </>
          )}
          {acknowledged.note && <q>{acknowledged.note}</q>}
        </p>
        {mayOperate() && (
          <button type="button" onClick={() => void back()}>
            {say("takeBack")}
          </button>
        )}
        {error && <Failure error={error} what={say("takingBack")} />}
      </div>
    );
  if (!mayOperate()) return null;
  return (
    <>
      <button type="button" class="primary" onClick={() => setOpen(true)} aria-keyshortcuts={keyed ? "a" : undefined}>
        {say("acknowledge")}
      </button>
      {open && <Form alert={alert} onClose={() => setOpen(false)} onDone={onDone} />}
    </>
  );
}

function Form({ alert, onClose, onDone }: { alert: string; onClose: () => void; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [note, setNote] = useState("");
  const [hours, setHours] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const until = hours ? new Date(Date.now() + Number(hours) * 3600_000).toISOString() : null;
    try {
      await post(path("alerts", alert, "ack"), { ...(note.trim() && { note: note.trim() }), ...(until && { until }) });
      onDone();
      dialog.current?.close();
    } catch (e) {
      setError(e as ApiError);
    }
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="ack-title">
      <form onSubmit={submit}>
        <h2 id="ack-title">{say("acknowledge")}</h2>
        <p class="quiet">{say("remindersOfThisStage")}</p>
        <label class="field">
          {say("note")}
          <input
            maxLength={500}
            value={note}
            onInput={(e) => setNote(e.currentTarget.value)}
            placeholder={say("calledTheBorrower")}
          />
        </label>
        <label class="field">
          {say("itHolds")}
          <select value={hours} onChange={(e) => setHours(e.currentTarget.value)}>
            {HOURS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {error && <Failure error={error} what={say("acknowledgements")} />}
        <p class="buttons">
          <button type="submit" class="primary">
            {say("acknowledge")}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {say("cancel")}
          </button>
        </p>
      </form>
    </dialog>
  );
}
