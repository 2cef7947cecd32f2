/** What the running service understands, read from its own OpenAPI document. */

import { api } from "./api.js";

const MODES = [
  ["auto", "Both, pooled"],
  ["knn", "Nearest references"],
  ["linear", "Linear head"],
];

let known = null;

/** Asked once; a service that does not say is taken to understand what the first one did. */
export async function capabilities() {
  known ??= await read();
  return known;
}

async function read() {
  const schemas = (await api.document().catch(() => null))?.components?.schemas ?? {};
  const form = schemas.ClassifyForm?.properties ?? {};
  const modes = schemas.Mode?.enum ?? ["knn", "linear"];
  return {
    modes: MODES.filter(([name]) => modes.includes(name)),
    abstains: "abstain_at" in form,
    namesSets: "coverage" in form,
  };
}
