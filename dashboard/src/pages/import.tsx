/** A desk's own table: drop a file, see what its columns hold and how each group would stand, and take it. */

import { useState } from "preact/hooks";
import type { ImportAnswer, ImportRow, SheetShown } from "../answers.generated";
import { type ApiError, postFile, query } from "../api";
import { count, many, Panel, Scroll, Share, StagePill, Usd, words } from "../parts/figures";
import { Failure } from "../parts/notices";
import { to } from "../router";
import { mayAdminister } from "../session";
import { say } from "../words/say";

/** Rows that are drawn; the command has all. */
const SHOWN = 500;

interface Asked {
  readonly file: File;
  readonly name: string;
  /** The field by sheet and column, as the reader chose it. */
  readonly columns: Readonly<Record<string, string>>;
  readonly decimal: string;
  readonly dates: string;
  readonly product: string;
  readonly closes: boolean;
}

function useImport() {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [answer, setAnswer] = useState<ImportAnswer | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const send = async (what: Asked, dry: boolean): Promise<void> => {
    setAsked(what);
    setBusy(true);
    setError(null);
    try {
      setAnswer(await postFile<ImportAnswer>(`/v1/import${parameters(what, dry)}`, what.file));
    } catch (e) {
      setAnswer(null);
      setError(e as ApiError);
    }
    setBusy(false);
  };
  return { asked, answer, error, busy, send };
}

function parameters(what: Asked, dry: boolean): string {
  return query({
    file: what.file.name,
    name: what.name,
    dry_run: dry ? "true" : null,
    close_missing: what.closes ? "true" : null,
    map: Object.entries(what.columns).map(([column, field]) => `${column}=${field}`),
    set: what.product ? [`product=${what.product}`] : [],
    decimal: what.decimal,
    dates: what.dates,
  });
}

export function ImportPage() {
  const { asked, answer, error, busy, send } = useImport();
  const choose = async (chosen: File | undefined): Promise<void> => {
    if (!chosen) return;
    // A copy: what is taken later must be what was seen, though somebody saves the file meanwhile.
    const file = new File([await chosen.arrayBuffer()], chosen.name);
    const fresh = { file, name: "", columns: {}, decimal: "", dates: "", product: "", closes: false };
    void send(fresh, true);
  };
  const change = (more: Partial<Asked>): void => {
    if (asked) void send({ ...asked, ...more }, true);
  };
  return (
    <article>
      <header class="pagehead">
        <h1>{say("import")}</h1>
        <p class="quiet">{say("yourOwnTableAs")}</p>
      </header>
      <div class="grid">
        <Panel title={say("aFile")} class="wide">
          {mayAdminister() ? (
            <Drop busy={busy} name={asked?.file.name} onFile={(file) => void choose(file)} />
          ) : (
            <p class="body">{say("anImportChangesThe")}</p>
          )}
          {error && <Failure error={error} what={say("imports")} />}
          {answer && <Said answer={answer} />}
        </Panel>
        {answer && asked && (
          <>
            {answer.questions.length > 0 && <Questions answer={answer} onChange={change} />}
            {answer.refused.length > 0 && <Refused answer={answer} />}
            {answer.rows.length > 0 && <Rows answer={answer} />}
            {answer.sheets.map((sheet) => (
              <Columns
                key={sheet.sheet}
                sheet={sheet}
                fields={answer.fields}
                onChange={(column, field) => change({ columns: { ...asked.columns, [column]: field } })}
              />
            ))}
            {!answer.taken && <Take answer={answer} asked={asked} busy={busy} send={send} />}
          </>
        )}
      </div>
    </article>
  );
}

function Drop(props: { busy: boolean; name: string | undefined; onFile: (file: File | undefined) => void }) {
  const [over, setOver] = useState(false);
  return (
    <label
      class={`drop ${over ? "over" : ""}`}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => {
        e.preventDefault();
        setOver(false);
        props.onFile(e.dataTransfer?.files[0]);
      }}
    >
      <span>{props.busy ? say("theMonitorReadsIt") : (props.name ?? say("dropAWorkbookXlsx"))}</span>
      <input
        type="file"
        accept=".xlsx,.xlsm,.csv,.tsv,.txt"
        aria-label={say("table")}
        disabled={props.busy}
        onChange={(e) => {
          props.onFile(e.currentTarget.files?.[0]);
          e.currentTarget.value = ""; // else the same file, mended, would be no change
        }}
      />
    </label>
  );
}

/** What became of it, and what was done with rows that are no loans. */
function Said({ answer }: { answer: ImportAnswer }) {
  const { counts } = answer;
  const groups = say("newNewChangedChanged", {
    new: count(counts.new),
    changed: count(counts.changed),
    same: count(counts.same),
  });
  const outcome = answer.taken
    ? say("takenIntoSourceGroups", {
        source: answer.source,
        groups,
        closed: counts.closed ? say("closedClosed", { closed: counts.closed }) : "",
      })
    : say("nothingIsChangedYet", {
        groups,
        refused: counts.refused ? say("refusedRefused", { refused: counts.refused }) : "",
      });
  return (
    <div class="body" role="status">
      <p class="answer">{outcome}</p>
      <ul class="quiet">
        {answer.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </div>
  );
}

function Questions({ answer, onChange }: { answer: ImportAnswer; onChange: (more: Partial<Asked>) => void }) {
  return (
    <Panel title={say("firstSay")} class="wide">
      <ul class="body">
        {answer.questions.map((question) => (
          <li key={question.where + question.text}>
            <code>{question.where}</code> {question.text}{" "}
            {question.remedy.startsWith("--decimal") && (
              <Choice of={["point", "comma"]} onChoose={(decimal) => onChange({ decimal })} />
            )}
            {question.remedy.startsWith("--dates") && (
              <Choice of={["dmy", "mdy"]} onChoose={(dates) => onChange({ dates })} />
            )}
            {question.remedy.startsWith("--set product") && (
              <input
                aria-label={say("product")}
                size={14}
                placeholder={say("productWithin")}
                onChange={(e) => onChange({ product: e.currentTarget.value.trim() })}
              />
            )}
            {question.remedy.startsWith("--map") && <span class="quiet">{say("chooseItUnderColumns")}</span>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Choice({ of, onChoose }: { of: readonly string[]; onChoose: (value: string) => void }) {
  return (
    <>
      {of.map((value) => (
        <button type="button" class="small" key={value} onClick={() => onChoose(value)}>
          {value}
        </button>
      ))}
    </>
  );
}

function Refused({ answer }: { answer: ImportAnswer }) {
  return (
    <Panel title={say("refusedCells")} class="wide">
      <Scroll label={say("refusedCells")} high>
        <table>
          <thead>
            <tr>
              <th>{say("cell")}</th>
              <th>{say("holds")}</th>
              <th>{say("whyAndWhatTo")}</th>
            </tr>
          </thead>
          <tbody>
            {answer.refused.slice(0, SHOWN).map((cell) => (
              <tr key={cell.where + cell.what}>
                <th scope="row">{cell.where}</th>
                <td>{cell.value || <span class="none">{say("empty")}</span>}</td>
                <td class="wrap">{cell.what}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function Rows({ answer }: { answer: ImportAnswer }) {
  return (
    <Panel title={say("groupsAsTheyWould")} class="wide">
      <Scroll label={say("groupsAsTheyWould")} high>
        <table>
          <thead>
            <tr>
              <th>{say("group")}</th>
              <th>{say("cell")}</th>
              <th>{say("change")}</th>
              <th>{say("stage")}</th>
              <th class="right">{say("ltv")}</th>
              <th class="right">{say("debt2")}</th>
              <th class="right">{say("recognised")}</th>
              <th>{say("missing")}</th>
            </tr>
          </thead>
          <tbody>
            {answer.rows.slice(0, SHOWN).map((row) => (
              <GroupLine key={row.group} row={row} isThere={answer.taken} />
            ))}
          </tbody>
        </table>
        {answer.rows.length > SHOWN && (
          <p class="quiet">{say("theFirstShownOf", { shown: SHOWN, count: count(answer.rows.length) })}</p>
        )}
      </Scroll>
    </Panel>
  );
}

function GroupLine({ row, isThere }: { row: ImportRow; isThere: boolean }) {
  return (
    <tr>
      <th scope="row">{isThere ? <a href={to.group(row.group)}>{row.group}</a> : row.group}</th>
      <td>{row.where}</td>
      <td>{row.change}</td>
      <td>
        <StagePill stage={row.stage} />
      </td>
      <td class="right">
        <Share value={row.ltv} />
      </td>
      <td class="right">
        <Usd value={row.debt_usd} />
      </td>
      <td class="right">
        <Usd value={row.recognised_usd} />
      </td>
      <td class="wrap">{row.missing.join("; ")}</td>
    </tr>
  );
}

function Columns(props: {
  sheet: SheetShown;
  fields: readonly string[];
  onChange: (column: string, field: string) => void;
}) {
  const { sheet, fields } = props;
  const title = sheet.sheet ? say("columnsOfSheet", { sheet: sheet.sheet }) : say("columns");
  return (
    <Panel title={title} class="wide">
      <Scroll label={title} high>
        <table>
          <thead>
            <tr>
              <th>{say("column")}</th>
              <th>{say("headerInRowHeaderrow", { headerRow: sheet.header_row })}</th>
              <th>{say("isTakenFor")}</th>
              <th>{say("example")}</th>
            </tr>
          </thead>
          <tbody>
            {sheet.columns.map((column) => (
              <tr key={column.column}>
                <th scope="row">{column.column}</th>
                <td>{column.header}</td>
                <td>
                  <select
                    aria-label={say("whatColumnColumnHolds", { column: column.column })}
                    value={column.field}
                    onChange={(e) => {
                      const name = sheet.sheet ? `${sheet.sheet}!${column.column}` : column.column;
                      props.onChange(name, e.currentTarget.value || "ignore");
                    }}
                  >
                    <option value="">{say("notUsed")}</option>
                    {[...new Set([...fields, column.field])].filter(Boolean).map((field) => (
                      <option key={field} value={field}>
                        {words(field)}
                      </option>
                    ))}
                  </select>{" "}
                  <small>{column.why}</small>
                </td>
                <td>{column.example}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function Take(props: {
  answer: ImportAnswer;
  asked: Asked;
  busy: boolean;
  send: (what: Asked, dry: boolean) => Promise<void>;
}) {
  const { answer, asked } = props;
  const [closes, setCloses] = useState(false);
  const { counts } = answer;
  const isReady = !answer.questions.length && !counts.refused;
  return (
    <Panel title={say("takeIt")} class="wide">
      <div class="body">
        {!isReady && <p>{say("nothingIsEverHalf")}</p>}
        {counts.missing > 0 && (
          <p>
            <label>
              <input type="checkbox" checked={closes} onChange={(e) => setCloses(e.currentTarget.checked)} />{" "}
              {many(counts.missing, "closeMissing", { source: answer.source })} {answer.missing.slice(0, 5).join(", ")}
            </label>
          </p>
        )}
        <p class="buttons">
          <button
            type="button"
            class="primary"
            disabled={props.busy || !isReady}
            onClick={() => void props.send({ ...asked, closes }, false)}
          >
            {props.busy ? say("taking") : many(counts.new + counts.changed, "takeGroup")}
          </button>
        </p>
      </div>
    </Panel>
  );
}
