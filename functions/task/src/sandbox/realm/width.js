// How wide a text is in a terminal.

// What takes two columns, besides the emoji: `first, last` of each range.
const WIDE = [
  0x1100, 0x115f, 0x2329, 0x232a, 0x2630, 0x2637, 0x268a, 0x268f, 0x2e80, 0x303e, 0x3041, 0x3247, 0x3250, 0xa48c, 0xa490, 0xa4c6,
  0xa960, 0xa97c, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe10, 0xfe19, 0xfe30, 0xfe6b, 0xff01, 0xff60, 0xffe0, 0xffe6, 0x16fe0, 0x18df2,
  0x1aff0, 0x1b2fb, 0x1d300, 0x1d356, 0x1d360, 0x1d376, 0x1f200, 0x1f265, 0x20000, 0x3fffd,
];

export function make(host, { values }, require) {
  const { RegExp } = values;
  const { codePointAt, exec, normalize, slice } = require("calls");
  const fromCodePoint = values.StringFromCodePoint;
  // After what introduces it, a command that is ended by a mark, or numbers and a letter.
  const word = "[-a-zA-Z\\d/#&.:=?%@~_]";
  const command = `(?:(?:;${word}+)*|[a-zA-Z\\d]+(?:;${word}*)*)(?:\\u0007|\\u001b\\\\|\\u009c)`;
  const control = "(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PR-TZcf-ntqry=><~]";
  const sequence = new RegExp(`[\\u001b\\u009b][[\\]()#;?]*(?:${command}|${control})`);
  const invisible = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u;
  const emoji = /^\p{Emoji_Presentation}$/u;
  const ascii = /^[ -~]*$/;
  const escape = /[\u001b\u009b]/;

  function stripVTControlCharacters(text) {
    if (exec(escape, text) === null) {
      return text;
    }
    let stripped = "";
    for (;;) {
      const found = exec(sequence, text);
      if (found === null) {
        return stripped + text;
      }
      stripped += slice(text, 0, found.index);
      text = slice(text, found.index + found[0].length);
    }
  }

  function widthOf(code) {
    if (code < 0x300) {
      return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : 1;
    }
    for (let at = 0; at < WIDE.length && code >= WIDE[at]; at += 2) {
      if (code <= WIDE[at + 1]) {
        return 2;
      }
    }
    const character = fromCodePoint(code);
    return exec(invisible, character) !== null ? 0 : exec(emoji, character) !== null ? 2 : 1;
  }

  function widthOfText(text, withSequences = false) {
    if (exec(ascii, text) !== null) {
      return text.length;
    }
    const plain = normalize(withSequences ? stripVTControlCharacters(text) : text, "NFC");
    let width = 0;
    for (let at = 0; at < plain.length; at++) {
      const code = codePointAt(plain, at);
      width += widthOf(code);
      at += code > 0xffff ? 1 : 0;
    }
    return width;
  }

  return { stripVTControlCharacters, widthOfText };
}
