// The module "hookyard".

import { registry } from "hookyard:registry";

const { exports } = registry.require("hookyard");

export const { publish, startTask } = exports;
export default exports;
