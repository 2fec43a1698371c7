/** Tells the colleagues that a stage is in hand: its reminders rest. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { AckShown } from "../answers.generated";
import { type ApiError, path, post, remove } from "../api";
import { mayOperate } from "../session";
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
  ["", "as long as the stage lasts"],
  ["1", "for 1 hour"],
  ["4", "for 4 hours"],
  ["24", "for 24 hours"],
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
          <span class="pill ack">acknowledged</span> by <strong>{acknowledged.by}</strong>,{" "}
          <Time at={acknowledged.at} />
          {acknowledged.until && (
            <>
              {" "}
              until <Time at={acknowledged.until} />
            </>
          )}
          {acknowledged.note && <q>{acknowledged.note}</q>}
        </p>
        {mayOperate() && (
          <button type="button" onClick={() => void back()}>
            Take back
          </button>
        )}
        {error && <Failure error={error} what="taking back" />}
      </div>
    );
  if (!mayOperate()) return null;
  return (
    <>
      <button type="button" class="primary" onClick={() => setOpen(true)} aria-keyshortcuts={keyed ? "a" : undefined}>
        Acknowledge
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
        <h2 id="ack-title">Acknowledge</h2>
        <p class="quiet">Reminders of this stage rest. A worse stage is told as ever.</p>
        <label class="field">
          Note
          <input
            maxLength={500}
            value={note}
            onInput={(e) => setNote(e.currentTarget.value)}
            placeholder="Called the borrower"
          />
        </label>
        <label class="field">
          It holds
          <select value={hours} onChange={(e) => setHours(e.currentTarget.value)}>
            {HOURS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {error && <Failure error={error} what="acknowledgements" />}
        <p class="buttons">
          <button type="submit" class="primary">
            Acknowledge
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </form>
    </dialog>
  );
}
