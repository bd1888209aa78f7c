// How primitive values look when they are printed.

const MIN_LINE_WIDTH = 16;

// How characters are escaped that have an escape of their own.
const ESCAPES = { __proto__: null, "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\\": "\\\\" };

export function make(host, { values }, require, { more, spend }) {
  const { MathTrunc, NumberIsFinite, NumberIsNaN, ObjectIs, String } = values;
  const { codeAt, digits, includes, indexOf, joined, padStart, push, repeat, slice, split, symbolText, upper } = require("calls");

  const isControl = (code) => code < 0x20 || (code >= 0x7f && code <= 0x9f);

  function escaped(text, quote) {
    let result = "";
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const code = codeAt(text, at);
      let by;
      if (isControl(code) || code === 0x5c) {
        by = ESCAPES[text[at]] ?? `\\x${padStart(upper(digits(code, 16)), 2, "0")}`;
      } else if (text[at] === quote) {
        by = `\\${quote}`;
      } else if (code >= 0xd800 && code <= 0xdfff) {
        const next = code < 0xdc00 && at + 1 < text.length ? codeAt(text, at + 1) : 0;
        if (next >= 0xdc00 && next <= 0xdfff) {
          at++;
          continue;
        }
        by = `\\u${digits(code, 16)}`;
      } else {
        continue;
      }
      result += slice(text, from, at) + by;
      from = at + 1;
    }
    return from === 0 ? text : result + slice(text, from);
  }

  function quoted(text) {
    let quote = "'";
    if (includes(text, "'")) {
      if (!includes(text, '"')) {
        quote = '"';
      } else if (!includes(text, "`") && !includes(text, "${")) {
        quote = "`";
      }
    }
    return `${quote}${escaped(text, quote)}${quote}`;
  }

  function textOf(stylize, value, ctx) {
    let text = value;
    let rest = "";
    if (text.length > ctx.maxStringLength) {
      rest = more(text.length - ctx.maxStringLength, "character");
      text = slice(text, 0, ctx.maxStringLength);
    }
    spend(text.length + rest.length + 2);
    const narrow = text.length > MIN_LINE_WIDTH && text.length > ctx.breakLength - ctx.indentation - 4;
    if (ctx.compact === true || !narrow || !includes(text, "\n")) {
      return stylize(quoted(text), "string") + rest;
    }
    const lines = split(text, "\n");
    const shown = [];
    for (let at = 0; at < lines.length; at++) {
      const line = at < lines.length - 1 ? `${lines[at]}\n` : lines[at];
      if (line !== "") {
        push(shown, stylize(quoted(line), "string"));
      }
    }
    return joined(shown, ` +\n${repeat(" ", ctx.indentation + 2)}`) + rest;
  }

  // Digits in groups of three, from the right and from the left.
  function grouped(text) {
    const sign = text[0] === "-" ? 1 : 0;
    let result = "";
    let end = text.length;
    for (; end >= sign + 4; end -= 3) {
      result = `_${slice(text, end - 3, end)}${result}`;
    }
    return slice(text, 0, end) + result;
  }

  function groupedFraction(text) {
    let result = "";
    let at = 0;
    for (; at < text.length - 3; at += 3) {
      result += `${slice(text, at, at + 3)}_`;
    }
    return result + slice(text, at);
  }

  function numberText(value, separated) {
    if (!separated) {
      return ObjectIs(value, -0) ? "-0" : `${value}`;
    }
    const text = String(value);
    if (MathTrunc(value) === value) {
      return !NumberIsFinite(value) || includes(text, "e") ? text : grouped(text);
    }
    const point = indexOf(text, ".");
    return NumberIsNaN(value) ? text : `${grouped(slice(text, 0, point))}.${groupedFraction(slice(text, point + 1))}`;
  }

  const bigintText = (value, separated) => `${separated ? grouped(String(value)) : String(value)}n`;

  function primitive(stylize, value, ctx) {
    switch (typeof value) {
      case "string":
        return textOf(stylize, value, ctx);
      case "number":
        spend(1);
        return stylize(numberText(value, ctx.numericSeparator), "number");
      case "bigint": {
        const text = bigintText(value, ctx.numericSeparator);
        spend(text.length);
        return stylize(text, "bigint");
      }
      case "symbol": {
        const text = symbolText(value);
        spend(text.length);
        return stylize(text, "symbol");
      }
      default: {
        spend(4);
        const text = `${value}`;
        return stylize(text, typeof value === "object" ? "null" : typeof value);
      }
    }
  }

  return { bigintText, escaped, numberText, primitive, quoted };
}
