// The module "timers/promises".

export const setTimeout = (delay, value) => new Promise((resolve) => globalThis.setTimeout(resolve, delay, value));
export const setImmediate = (value) => new Promise((resolve) => globalThis.setImmediate(resolve, value));
export default { setTimeout, setImmediate };
