// Reads the parts of a body of the type multipart/form-data.

const DASHES = 45;
const RETURN = 13;
const NEWLINE = 10;
const PARAMETER = /;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"([^"]*)"|([^\s;"]*))/g;
const ESCAPED = /%0A|%0D|%22/gi;
const CHARACTERS = { __proto__: null, "%0a": "\n", "%0d": "\r", "%22": '"' };

export function make(host, { uncurryThis, values, methods }, require) {
  const { ReflectApply, TypeError } = values;
  const { bufferOf, exec, indexOf, lengthOf, lower, offsetOf, slice, split } = require("calls");
  const subarray = uncurryThis(methods.TypedArrayPrototypeSubarray);
  const replace = uncurryThis(methods.RegExpPrototypeSymbolReplace);
  const { utf8 } = require("blob");
  const bytes = require("bytes");

  const failed = () => new TypeError("Failed to parse body as FormData.");
  const textOf = (content) => ReflectApply(bytes.utf8Slice, content, []);
  const plain = (name) => replace(ESCAPED, name, (found) => CHARACTERS[lower(found)]);

  function search(content, sought, from) {
    const [start, length] = [offsetOf(content), lengthOf(content)];
    return host.search(bufferOf(content), start, length, bufferOf(sought), offsetOf(sought), lengthOf(sought), from);
  }

  function parametersOf(value) {
    const parameters = { __proto__: null };
    PARAMETER.lastIndex = 0;
    for (let found = exec(PARAMETER, value); found !== null; found = exec(PARAMETER, value)) {
      parameters[lower(found[1])] ??= found[2] ?? found[3];
    }
    return parameters;
  }

  function headOf(text) {
    const head = { name: undefined, filename: undefined, type: undefined };
    const headers = split(text, "\r\n");
    for (let at = 0; at < headers.length; at++) {
      const colon = indexOf(headers[at], ":");
      if (colon < 1) {
        throw failed();
      }
      const name = lower(slice(headers[at], 0, colon));
      const value = replace(/^[\t ]+|[\t ]+$/g, slice(headers[at], colon + 1), "");
      if (name === "content-disposition" && exec(/^form-data\s*;/i, value) !== null) {
        const parameters = parametersOf(value);
        head.name = parameters.name;
        head.filename = parameters.filename;
      } else if (name === "content-type") {
        head.type = value;
      }
    }
    if (head.name === undefined) {
      throw failed();
    }
    return head;
  }

  function parse(content, type) {
    const { FormData, addFile } = require("form_data");
    const { boundary } = parametersOf(type);
    if (!boundary) {
      throw failed();
    }
    const form = new FormData();
    const [line, end, gap] = [utf8(`--${boundary}`), utf8(`\r\n--${boundary}`), utf8("\r\n\r\n")];
    if (search(content, line, 0) !== 0) {
      throw failed();
    }
    let at = lengthOf(line);
    for (;;) {
      const [first, second] = [content[at], content[at + 1]];
      if (first === DASHES && second === DASHES) {
        return form;
      }
      const head = search(content, gap, at);
      const next = head === -1 ? -1 : search(content, end, head + 2);
      if (first !== RETURN || second !== NEWLINE || next === -1) {
        throw failed();
      }
      const { name, filename, type: kind } = headOf(textOf(subarray(content, at + 2, head)));
      // A part without content shares its line break with the boundary.
      const part = subarray(content, head + 4, next < head + 4 ? head + 4 : next);
      if (filename === undefined) {
        form.append(plain(name), textOf(part));
      } else {
        addFile(form, plain(name), part, plain(filename), kind ?? "text/plain");
      }
      at = next + lengthOf(end);
    }
  }

  return { parse, search };
}
