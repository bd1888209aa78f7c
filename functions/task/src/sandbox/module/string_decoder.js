// The module "string_decoder".

import { registry } from "hookyard:prelude";

const exports = registry.require("string_decoder");

export const {
  StringDecoder,
} = exports;
export default exports;
