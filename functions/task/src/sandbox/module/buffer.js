// The module "buffer".

import { registry } from "hookyard:prelude";

const exports = registry.require("buffer");

export const {
  atob,
  Blob,
  btoa,
  Buffer,
  constants,
  File,
  INSPECT_MAX_BYTES,
  isAscii,
  isUtf8,
  kMaxLength,
  kStringMaxLength,
  SlowBuffer,
  transcode,
} = exports;
export default exports;
