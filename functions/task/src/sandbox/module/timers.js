// The module "timers".

import { registry } from "hookyard:registry";

export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = registry.timers;
export default registry.timers;
