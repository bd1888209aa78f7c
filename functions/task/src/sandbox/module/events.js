// The module "events".

import { registry } from "hookyard:prelude";

const exports = registry.require("events");

export const {
  addAbortListener,
  captureRejections,
  captureRejectionSymbol,
  defaultMaxListeners,
  errorMonitor,
  EventEmitter,
  getEventListeners,
  getMaxListeners,
  init,
  listenerCount,
  on,
  once,
  setMaxListeners,
} = exports;
export default exports;
