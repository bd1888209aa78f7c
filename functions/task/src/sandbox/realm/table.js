// The tables that the console prints.

export function make(host, { values }, require) {
  const { MathMax } = values;
  const { joined, push, repeat } = require("calls");
  const { getStringWidth } = require("inspect");

  // Draws the columns under their names; cells that are missing stay empty.
  return function draw(names, columns) {
    const widths = [];
    const lines = [];
    let rows = 0;
    for (let column = 0; column < names.length; column++) {
      rows = MathMax(rows, columns[column].length);
    }
    for (let column = 0; column < names.length; column++) {
      let width = getStringWidth(names[column]);
      for (let row = 0; row < rows; row++) {
        width = MathMax(width, getStringWidth(columns[column][row] ?? ""));
      }
      push(widths, width + 2);
    }

    function rule(left, middle, right) {
      const parts = [];
      for (let column = 0; column < widths.length; column++) {
        push(parts, repeat("─", widths[column]));
      }
      push(lines, left + joined(parts, middle) + right);
    }

    function line(cellOf) {
      const cells = [];
      for (let column = 0; column < widths.length; column++) {
        const cell = cellOf(column) ?? "";
        push(cells, ` ${cell}${repeat(" ", widths[column] - getStringWidth(cell) - 1)}`);
      }
      push(lines, `│${joined(cells, "│")}│`);
    }

    rule("┌", "┬", "┐");
    line((column) => names[column]);
    rule("├", "┼", "┤");
    for (let row = 0; row < rows; row++) {
      line((column) => columns[column][row]);
    }
    rule("└", "┴", "┘");
    return joined(lines, "\n");
  };
}
