// How the parts of an object are put together: on one line, in columns, or each on a line of its own.

const MIN_GROUPED = 6;
const MAX_COLUMNS = 15;

// What is inside braces: named properties, or the elements of a list, which can stand in columns.
export const NAMED = 0;
export const ELEMENT = 1;
export const LIST = 2;

export function make(host, { values }, require, { spend, stripVTControlCharacters, widthOfText }) {
  const { MathFloor, MathMax, MathMin, MathRound, MathSqrt } = values;
  const { includes, joined, padEnd, padStart, push, repeat } = require("calls");

  // Puts the parts of an object together, on one line if they are short.
  function combine(ctx, layout, depth, value) {
    const { base, open, close, kind } = layout;
    let { output } = layout;
    const before = base === "" ? "" : `${base} `;
    const margin = `\n${repeat(" ", ctx.indentation)}`;
    if (ctx.compact === true) {
      if (isShort(ctx, output, 0, base)) {
        return `${open}${base === "" ? "" : ` ${base}`} ${joined(output, ", ")} ${close}`;
      }
      spend(output.length * margin.length);
      const first = base === "" && open.length === 1 ? " " : `${base === "" ? "" : ` ${base}`}${margin}  `;
      return `${open}${first}${joined(output, `,${margin}  `)} ${close}`;
    }
    if (typeof ctx.compact === "number" && ctx.compact >= 1) {
      const entries = output.length;
      if (kind === LIST && entries > MIN_GROUPED) {
        output = inColumns(ctx, output, value);
      }
      if (ctx.depthNow - depth < ctx.compact && entries === output.length) {
        const start = output.length + ctx.indentation + open.length + base.length + 10;
        const line = isShort(ctx, output, start, base) ? joined(output, ", ") : "\n";
        if (!includes(line, "\n")) {
          return `${before}${open} ${line} ${close}`;
        }
      }
    }
    spend(output.length * margin.length);
    return `${before}${open}${margin}  ${joined(output, `,${margin}  `)}${margin}${close}`;
  }

  function isShort(ctx, output, start, base) {
    let total = output.length + start;
    if (total + output.length > ctx.breakLength || includes(base, "\n")) {
      return false;
    }
    for (let at = 0; at < output.length && total <= ctx.breakLength; at++) {
      total += ctx.colors ? stripVTControlCharacters(output[at]).length : output[at].length;
    }
    return total <= ctx.breakLength;
  }

  // Puts the elements of a long list into columns of about the width that reads well.
  function inColumns(ctx, output, value) {
    const rest = ctx.maxArrayLength < output.length ? 1 : 0;
    const count = output.length - rest;
    const widths = [];
    let total = 0;
    let widest = 0;
    for (let at = 0; at < count; at++) {
      const width = widthOfText(output[at], ctx.colors);
      push(widths, width);
      total += width + 2;
      widest = MathMax(widest, width);
    }
    const column = widest + 2;
    if (column * 3 + ctx.indentation >= ctx.breakLength || (total / column <= 5 && widest > 6)) {
      return output;
    }
    const bias = MathSqrt(column - total / output.length);
    const biased = MathMax(column - 3 - bias, 1);
    const columns = MathMin(
      MathRound(MathSqrt(2.5 * biased * count) / biased),
      MathFloor((ctx.breakLength - ctx.indentation) / column),
      ctx.compact * 4,
      MAX_COLUMNS,
    );
    if (columns <= 1) {
      return output;
    }
    const lines = [];
    const wide = widestOf(widths, columns);
    const toLeft = value !== undefined && !allNumbers(value, output.length);
    for (let from = 0; from < count; from += columns) {
      const last = MathMin(from + columns, count) - 1;
      let line = "";
      for (let at = from; at < last; at++) {
        const padding = wide[at - from] + output[at].length - widths[at];
        line += toLeft ? padEnd(`${output[at]}, `, padding, " ") : padStart(`${output[at]}, `, padding, " ");
      }
      line += toLeft ? output[last] : padStart(output[last], wide[last - from] + output[last].length - widths[last] - 2, " ");
      push(lines, line);
    }
    if (rest > 0) {
      push(lines, output[count]);
    }
    return lines;
  }

  function widestOf(widths, columns) {
    const wide = [];
    for (let column = 0; column < columns; column++) {
      let width = 0;
      for (let at = column; at < widths.length; at += columns) {
        width = MathMax(width, widths[at]);
      }
      push(wide, width + 2);
    }
    return wide;
  }

  function allNumbers(value, count) {
    for (let at = 0; at < count; at++) {
      if (typeof value[at] !== "number" && typeof value[at] !== "bigint") {
        return false;
      }
    }
    return true;
  }

  return { combine };
}
