/** A group for tests of pure parts. */

import type { GroupRow } from "../answers.generated";

export function row(id: string, part: Partial<GroupRow> = {}): GroupRow {
  return {
    id,
    product: "vip_loan",
    labels: {},
    ltv: "0.5",
    stage: "normal",
    band: "normal",
    debt_usd: "100",
    recognised_usd: "200",
    deadline: null,
    blind: false,
    unknown: false,
    version: 1,
    thresholds: { initial: "0.72", margin_call: "0.77", liquidation: "0.91", immediate: "0.95" },
    next_line: { name: "initial", ltv: "0.72", distance_percent: "30.55" },
    ...part,
  };
}
