// The type of a body as the MIME Sniffing Standard reads it.

const TYPE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+[\t\n\r ]*(?:;|$)/;
const PARAMETER = /;[\t\n\r ]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:("[^"]*")|([^\t\n\r ;"]+))/g;

export function make(host, intrinsics, require) {
  const { exec, lower, slice, split } = require("calls");

  // The last of the types that can be read, with its parameters; "" if there is none.
  function essence(header) {
    const kinds = split(header ?? "", ", ");
    for (let at = kinds.length - 1; at >= 0; at--) {
      const found = exec(TYPE, kinds[at]);
      if (found !== null) {
        const end = found[0].length;
        const semicolon = found[0][end - 1] === ";" ? 1 : 0;
        const type = exec(/^[^\t\n\r ;]+/, found[0])[0];
        return lower(type) + parameters(slice(kinds[at], end - semicolon));
      }
    }
    return "";
  }

  function parameters(text) {
    const known = { __proto__: null };
    let shown = "";
    PARAMETER.lastIndex = 0;
    for (let found = exec(PARAMETER, text); found !== null; found = exec(PARAMETER, text)) {
      const name = lower(found[1]);
      if (known[name] === undefined) {
        known[name] = true;
        shown += `;${name}=${found[2] ?? found[3]}`;
      }
    }
    return shown;
  }

  return { essence };
}
