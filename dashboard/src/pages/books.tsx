/** Where loans and rates come from: how fresh each source is, and what of it is refused, with what mends it. */

import type { SourceItem, SourceList, TroubleItem } from "../answers.generated";
import { usePolled } from "../live/polled";
import { Age, alertTitle, counted, Panel, Scroll, Time } from "../parts/figures";
import { useNarrow } from "../parts/narrow";
import { Fresh } from "../parts/notices";

export function BooksPage() {
  const books = usePolled<SourceList>("/v1/books?limit=1000", 5000);
  return (
    <article>
      <header class="pagehead">
        <h1>Books</h1>
      </header>
      <Fresh of={books} what="books">
        {(found) => (
          <div class="grid">
            <Panel title="Sources of loans and rates" class="wide">
              {found.unwatched > 0 && (
                <p class="bad" role="status">
                  <strong>
                    {counted(found.unwatched, "loan group")} {found.unwatched === 1 ? "is" : "are"} not watched.
                  </strong>{" "}
                  Mend the lines below.
                </p>
              )}
              {found.items.length ? (
                <Sources items={found.items} />
              ) : (
                <p class="quiet">
                  No source is configured: groups come by PUT /v1/groups/&#123;id&#125;, or by an import.
                </p>
              )}
            </Panel>
            {found.items.map((source) => source.troubles.length > 0 && <Lines key={source.name} source={source} />)}
            {found.others.length > 0 && (
              <Panel title="What else is not in order" class="wide">
                <Troubles items={found.others} label="What else is not in order" />
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
      <ul class="troubles" aria-label="Sources">
        {items.map((each) => (
          <li key={each.name}>
            <p>
              <strong>{each.name}</strong> gives {each.gives}, from {each.path ?? each.kind}
            </p>
            <p>
              <State of={each} />
            </p>
            {each.as_of && (
              <p>
                as of <Time at={each.as_of} />
              </p>
            )}
          </li>
        ))}
      </ul>
    );
  return (
    <Scroll label="Sources">
      <table>
        <thead>
          <tr>
            <th>Source</th>
            <th>Gives</th>
            <th>From</th>
            <th>As of</th>
            <th>Read</th>
            <th>Version</th>
            <th>State</th>
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
    of.stale && "not refreshed in time",
    of.refused > 0 && `${counted(of.refused, "line")} refused`,
    of.left_out > 0 && `${counted(of.left_out, "line")} taken in part`,
  ].filter(Boolean);
  if (!lines.length && !of.troubles.length) return <span class="pill good">in order</span>;
  const else_ = of.gives === "rates" ? "errors: the rates before stay in force" : "cannot be read";
  return <span class="pill bad">{lines.join(", ") || else_}</span>;
}

function Lines({ source }: { source: SourceItem }) {
  return (
    <Panel title={`${source.name}: to be mended`} class="wide">
      <Troubles items={source.troubles} label={`What is to be mended in ${source.name}`} />
      {source.troubles_cut > 0 && <p class="quiet">And {counted(source.troubles_cut, "more line")}.</p>}
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
            <th>Where</th>
            <th>Group</th>
            <th>Cell</th>
            <th>Value</th>
            <th>What mends it</th>
            <th>Since</th>
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
      <span class={`pill ${of.watched ? "" : "bad"}`}>{of.watched ? "watched as before" : "not watched"}</span>
    </>
  );
}
