// The module "events".

import { registry } from "hookyard:registry";

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
