// The text of a stack, as V8 writes it.

const OWN_FILES = "hookyard:";

export function makeFormat(host, { uncurryThis, values, methods }) {
  const { ObjectDefineProperty, ObjectGetPrototypeOf } = values;
  const startsWith = uncurryThis(methods.StringPrototypeStartsWith);
  const describe = uncurryThis(methods.ErrorPrototypeToString);
  let correct = false;

  function header(error) {
    try {
      return error[host.isNodeError] === true ? `${error.name} [${error.code}]: ${error.message}` : describe(error);
    } catch {
      return "Error";
    }
  }

  // The columns of the engine are those of what a source was put into, in bytes.
  function correctColumns(sites) {
    if (correct || sites.length === 0) {
      return;
    }
    correct = true;
    const prototype = ObjectGetPrototypeOf(sites[0]);
    const fileOf = uncurryThis(prototype.getFileName);
    const lineOf = uncurryThis(prototype.getLineNumber);
    const columnOf = uncurryThis(prototype.getColumnNumber);
    function getColumnNumber() {
      const file = fileOf(this);
      const column = columnOf(this);
      return typeof file === "string" ? host.column(file, lineOf(this), column) : column;
    }
    ObjectDefineProperty(prototype, "getColumnNumber", { __proto__: null, value: getColumnNumber, writable: true, configurable: true });
  }

  // The text that `JSON.parse` is given is no file.
  function isParsedJson(file, caller) {
    return file === "<input>" && caller?.getFileName() === null && caller.getFunctionName() === "parse";
  }

  function format(error, sites, prepare) {
    correctColumns(sites);
    if (typeof prepare === "function") {
      return prepare(error, sites);
    }
    let text = header(error);
    for (let at = 0; at < sites.length && at < 10; at++) {
      const site = sites[at];
      const file = site.getFileName();
      if (typeof file === "string" && (startsWith(file, OWN_FILES) || (at === 0 && isParsedJson(file, sites[1])))) {
        continue;
      }
      const place = file === null ? "<anonymous>" : `${file}:${site.getLineNumber()}:${site.getColumnNumber()}`;
      const name = site.getFunctionName();
      text += name ? `\n    at ${name} (${place})` : `\n    at ${place}`;
    }
    return text;
  }

  return format;
}
