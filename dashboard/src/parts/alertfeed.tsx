/** The newest alerts as a list that grows at the top. */

import type { AlertItem } from "../answers.generated";
import { live } from "../live/live";
import { useStore } from "../live/store";
import { to } from "../router";
import { say } from "../words/say";
import { alertFigure, alertTitle, Time } from "./figures";

export function AlertFeed({ limit, group }: { limit: number; group?: string }) {
  const alerts = useStore(live.alerts);
  const shown = (group ? alerts.filter((a) => a.data.group?.id === group) : alerts).slice(0, limit);
  if (!shown.length) return <p class="empty">{say("noAlertYet")}</p>;
  return (
    <ol class="alertfeed" aria-live="polite" aria-relevant="additions" aria-label={say("newestAlerts")}>
      {shown.map((a) => (
        <AlertLine key={a.data.id} alert={a} />
      ))}
    </ol>
  );
}

function AlertLine({ alert }: { alert: AlertItem }) {
  const { data } = alert;
  return (
    <li class={`severity-${data.severity}`} data-alert={data.id}>
      <span class="what">
        <span class="hidden">{data.severity}: </span>
        {alertTitle(alert.type)}
      </span>
      <Time at={alert.timestamp} />
      <span class="whom">
        {data.group ? <a href={to.group(data.group.id)}>{data.group.id}</a> : <span>{data.subject}</span>}
        {alertFigure(data) && <span class="num"> {alertFigure(data)}</span>}
        {!data.durable && <span class="pill blind">{say("notDurable")}</span>}
      </span>
    </li>
  );
}
