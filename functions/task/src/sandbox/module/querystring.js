// The module "querystring".

import { registry } from "hookyard:prelude";

const exports = registry.require("querystring");

export const {
  decode,
  encode,
  escape,
  parse,
  stringify,
  unescape,
  unescapeBuffer,
} = exports;
export default exports;
