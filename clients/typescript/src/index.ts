/** A typed client of the loan monitor's API. */
export { ApiProblem } from "./http.js";
export type * from "./models.js";
export { MonitorClient } from "./operations.js";
