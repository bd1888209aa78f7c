// Writes what Node.js makes of every expression, one JSON array a line, after its version and the common source.

import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { evaluate, expressions } from "./expressions.mjs";

process.env.TZ = "UTC";
// Where scripts are, too.
process.chdir("/");
globalThis.require = createRequire(import.meta.url);
process.on("warning", () => {});
process.removeAllListeners("warning");
const outcome = new Function("require", `${evaluate}; return outcome;`)(globalThis.require);

async function write() {
  writeSync(1, `${JSON.stringify([process.version, evaluate])}\n`);
  for (const [group, expression] of expressions) {
    writeSync(1, `${JSON.stringify([group, expression, await outcome(group, expression)])}\n`);
  }
}

// Some expressions wait for timers that do not keep the process alive.
setInterval(() => {}, 1000);
// Others leave timers behind.
write().then(() => process.exit(0));
