/** Where loans and rates come from: how fresh each source is, and what of it is refused, with what mends it. */

import type { SourceItem, SourceList, TroubleItem } from "../answers.generated";
import { usePolled } from "../live/polled";
import { Age, alertTitle, many, Panel, Scroll, Time } from "../parts/figures";
import { useNarrow } from "../parts/narrow";
import { Fresh } from "../parts/notices";
import { say } from "../words/say";

export function BooksPage() {
  const books = usePolled<SourceList>("/v1/books?limit=1000", 5000);
  return (
    <article>
      <header class="pagehead">
        <h1>{say("books")}</h1>
      </header>
      <Fresh of={books} what={say("booksWithin")}>
        {(found) => (
          <div class="grid">
            <Panel title={say("sourcesOfLoansAnd")} class="wide">
              {found.unwatched > 0 && (
                <p class="bad" role="status">
                  <strong>{many(found.unwatched, "notWatched")}</strong> {say("mendTheLinesBelow")}
                </p>
              )}
              {found.items.length ? (
                <Sources items={found.items} />
              ) : (
                <p class="quiet">{say("noSourceIsConfigured")}</p>
              )}
            </Panel>
            {found.items.map((source) => source.troubles.length > 0 && <Lines key={source.name} source={source} />)}
            {found.others.length > 0 && (
              <Panel title={say("whatElseIsNot")} class="wide">
                <Troubles items={found.others} label={say("whatElseIsNot")} />
              </Panel>
            )}
          </div>
        )}
      </Fresh>
    </article>
  );
}

function Sources({ items }: { items: readonly SourceItem[] }) {
  const narrow = useNarrow();
  if (narrow)
    return (
      <ul class="troubles" aria-label={say("sources")}>
        {items.map((each) => (
          <li key={each.name}>
            <p>
              <strong>{each.name}</strong>{" "}
              {say("givesGivesFromKind", { gives: each.gives, kind: each.path ?? each.kind })}
            </p>
            <p>
              <State of={each} />
            </p>
            {each.as_of && (
              <p>
                {say("asOf")} <Time at={each.as_of} />
              </p>
            )}
          </li>
        ))}
      </ul>
    );
  return (
    <Scroll label={say("sources")}>
      <table>
        <thead>
          <tr>
            <th>{say("source")}</th>
            <th>{say("gives")}</th>
            <th>{say("from")}</th>
            <th>{say("asOf2")}</th>
            <th>{say("read")}</th>
            <th>{say("version")}</th>
            <th>{say("state")}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.name}>
              <th scope="row">{each.name}</th>
              <td>{each.gives}</td>
              <td class="wrap">{each.path ?? each.kind}</td>
              <td>
                <Time at={each.as_of} />
              </td>
              <td>{each.seen_at ? <Age at={each.seen_at} /> : "–"}</td>
              <td class="wrap">{each.version ?? "–"}</td>
              <td>
                <State of={each} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function State({ of }: { of: SourceItem }) {
  const lines = [
    of.stale && say("notRefreshedInTime"),
    of.refused > 0 && many(of.refused, "lineRefused"),
    of.left_out > 0 && many(of.left_out, "lineLeftOut"),
  ].filter(Boolean);
  if (!lines.length && !of.troubles.length) return <span class="pill good">{say("inOrder")}</span>;
  const else_ = of.gives === "rates" ? say("errorsTheRatesBefore") : say("cannotBeRead");
  return <span class="pill bad">{lines.join(", ") || else_}</span>;
}

function Lines({ source }: { source: SourceItem }) {
  return (
    <Panel title={say("nameToBeMended", { name: source.name })} class="wide">
      <Troubles items={source.troubles} label={say("whatIsToBe", { name: source.name })} />
      {source.troubles_cut > 0 && (
        <p class="quiet">{say("andTroublescut", { troublesCut: many(source.troubles_cut, "moreLine") })}</p>
      )}
    </Panel>
  );
}

/** One row for each bad cell; what is wrong with a line as a whole is one row of its text. */
interface Row {
  readonly of: TroubleItem;
  readonly key: string;
  readonly cell: string;
  readonly value: string;
  readonly remedy: string;
}

function rowsOf(items: readonly TroubleItem[]): Row[] {
  return items.flatMap((of) => {
    const key = `${of.kind} ${of.subject}`;
    if (!of.cells.length) return [{ of, key, cell: "–", value: "–", remedy: of.text }];
    return of.cells.map((cell, i) => ({
      of,
      key: `${key} ${i}`,
      cell: cell.cell || "–",
      value: cell.value ?? "–",
      remedy: cell.remedy,
    }));
  });
}

function Troubles({ items, label }: { items: readonly TroubleItem[]; label: string }) {
  const narrow = useNarrow();
  const rows = rowsOf(items);
  if (narrow)
    return (
      <ul class="troubles" aria-label={label}>
        {rows.map((each) => (
          <li key={each.key}>
            <p>
              <strong>{where(each.of)}</strong> {each.of.group !== null && <Group of={each.of} />}
            </p>
            <p>
              {each.cell !== "–" && `${each.cell}: `}
              {each.value !== "–" && <code>{each.value}</code>}
            </p>
            <p>{each.remedy}</p>
          </li>
        ))}
      </ul>
    );
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            <th>{say("where")}</th>
            <th>{say("group")}</th>
            <th>{say("cell")}</th>
            <th>{say("value")}</th>
            <th>{say("whatMendsIt")}</th>
            <th>{say("since")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((each) => (
            <tr key={each.key}>
              <th scope="row" class="wrap">
                {where(each.of)}
              </th>
              <td class="wrap">
                <Group of={each.of} />
              </td>
              <td class="wrap">{each.cell}</td>
              <td class="wrap">{each.value}</td>
              <td class="wrap">{each.remedy}</td>
              <td>
                <Time at={each.of.since} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function where(of: TroubleItem): string {
  return of.place ?? (of.kind === "book.refused" ? of.subject : `${alertTitle(of.kind)}: ${of.subject}`);
}

function Group({ of }: { of: TroubleItem }) {
  if (of.group === null) return "–";
  return (
    <>
      {of.group}{" "}
      <span class={`pill ${of.watched ? "" : "bad"}`}>{of.watched ? say("watchedAsBefore") : say("notWatched")}</span>
    </>
  );
}
