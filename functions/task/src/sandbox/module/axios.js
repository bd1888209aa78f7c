// The module "axios".

import { registry } from "hookyard:prelude";

const exports = registry.require("axios");

export const {
  all,
  Axios,
  AxiosError,
  AxiosHeaders,
  Cancel,
  CanceledError,
  CancelToken,
  create,
  formToJSON,
  getAdapter,
  HttpStatusCode,
  isAxiosError,
  isCancel,
  mergeConfig,
  spread,
  toFormData,
  VERSION,
} = exports;
export default exports;
