// The module "path/posix".

import { registry } from "hookyard:prelude";

const exports = registry.require("path").posix;

export const {
  _makeLong,
  basename,
  delimiter,
  dirname,
  extname,
  format,
  isAbsolute,
  join,
  matchesGlob,
  normalize,
  parse,
  posix,
  relative,
  resolve,
  sep,
  toNamespacedPath,
  win32,
} = exports;
export default exports;
