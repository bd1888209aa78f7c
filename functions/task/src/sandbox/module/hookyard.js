// The module "hookyard".

import { registry } from "hookyard:prelude";

const { exports } = registry.require("hookyard");

export const { publish, startTask } = exports;
export default exports;
