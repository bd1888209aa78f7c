// The module "process".

import { registry } from "hookyard:prelude";

const exports = registry.require("process").process;

export const {
  arch,
  argv,
  cwd,
  emitWarning,
  env,
  exit,
  hrtime,
  nextTick,
  platform,
  uptime,
  version,
  versions,
} = exports;
export default exports;
