// The errors that requests end with.

// What Node.js says of a failed system call: the call and its number.
const SYSTEM = {
  __proto__: null,
  EACCES: ["connect", -13],
  EAI_AGAIN: ["getaddrinfo", -3001],
  ECONNREFUSED: ["connect", -111],
  ECONNRESET: ["read", -104],
  EHOSTUNREACH: ["connect", -113],
  ENETUNREACH: ["connect", -101],
  ENOTFOUND: ["getaddrinfo", -3008],
  EPIPE: ["write", -32],
  ETIMEDOUT: ["connect", -110],
};

export function make(host, { values }, require) {
  const { Error, ObjectAssign, ObjectDefineProperty, TypeError } = values;

  const partsOf = (url) => {
    const { URL } = require("whatwg_url");
    const { hostname, port, protocol } = new URL(url);
    return { hostname, port: port === "" ? (protocol === "https:" ? "443" : "80") : port };
  };

  // The error of the system that Node.js would have had at this place.
  function systemError(code, message, url) {
    const [syscall, errno] = SYSTEM[code] ?? [];
    if (syscall === undefined) {
      return ObjectAssign(new Error(message), code === undefined ? {} : { code });
    }
    const { hostname, port } = partsOf(url);
    if (syscall === "getaddrinfo") {
      return ObjectAssign(new Error(`getaddrinfo ${code} ${hostname}`), { errno, code, syscall, hostname });
    }
    const connects = syscall === "connect";
    const error = new Error(connects ? `connect ${code} ${hostname}:${port}` : `${syscall} ${code}`);
    ObjectAssign(error, { errno, code, syscall });
    return connects ? ObjectAssign(error, { address: hostname, port: +port }) : error;
  }

  function failure({ name, message, code }, url) {
    const error = ObjectAssign(new TypeError(message), { name });
    if (name !== "TypeError") {
      const value = systemError(code, message, url);
      ObjectDefineProperty(error, "cause", { __proto__: null, value, writable: true, configurable: true });
    }
    return error;
  }

  return { failure };
}
