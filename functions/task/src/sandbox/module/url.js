// The module "url".

import { registry } from "hookyard:prelude";

const exports = registry.require("url");

export const {
  domainToASCII,
  domainToUnicode,
  fileURLToPath,
  format,
  parse,
  pathToFileURL,
  resolve,
  resolveObject,
  Url,
  URL,
  URLSearchParams,
  urlToHttpOptions,
} = exports;
export default exports;
