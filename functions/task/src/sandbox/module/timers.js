// The module "timers".

import { registry } from "hookyard:prelude";

export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = registry.require("timers");
export default registry.require("timers");
