// What percent-encoded text stands for.

const ESCAPE = /%[0-9a-f]{2}/i;
const HEX = /^[0-9a-f]{2}$/i;
const PERCENT = 37;
const PLUS = 43;
const SPACE = 32;

export function make(host) {
  // The bytes of a text: those of its escapes, and the low bytes of its other characters.
  function bytesOf(value, decodeSpaces = false) {
    const text = `${value}`.slice(0, value.length);
    const bytes = new Uint8Array(text.length);
    let length = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      const digits = code === PERCENT ? text.slice(at + 1, at + 3) : "";
      if (HEX.test(digits)) {
        bytes[length++] = parseInt(digits, 16);
        at += 2;
      } else {
        bytes[length++] = decodeSpaces && code === PLUS ? SPACE : code;
      }
    }
    return bytes.subarray(0, length);
  }

  function decode(text, decodeSpaces) {
    try {
      return decodeURIComponent(text);
    } catch {
      const bytes = bytesOf(text, decodeSpaces);
      return host.utf8Decode(bytes.buffer, 0, bytes.length);
    }
  }

  return { bytesOf, decode, hasEscapes: (text) => ESCAPE.test(text) };
}
