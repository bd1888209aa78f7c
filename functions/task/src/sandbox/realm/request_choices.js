// What few requests are made with: the members that choose among some words, and URLs that are none.

// What the members may be that are kept as they are given.
const CHOICES = {
  __proto__: null,
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  credentials: ["omit", "same-origin", "include"],
  mode: ["same-origin", "cors", "no-cors", "navigate", "websocket"],
  redirect: ["follow", "manual", "error"],
  referrerPolicy: [
    "", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
    "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url",
  ],
};

export function make(host, { uncurryThis, values, methods }, require) {
  const { TypeError } = values;
  const contains = uncurryThis(methods.ArrayPrototypeIncludes);
  const joined = uncurryThis(methods.ArrayPrototypeJoin);

  function choice(name, value) {
    const text = `${value}`;
    if (!contains(CHOICES[name], text)) {
      const expected = joined(CHOICES[name], ", ");
      throw new TypeError(`Request constructor: ${text} is not an accepted type. Expected one of ${expected}.`);
    }
    if (name === "mode" && (text === "navigate" || text === "websocket")) {
      throw new TypeError(`Request constructor: invalid request mode ${text}.`);
    }
    return text;
  }

  // What is wrong with a URL, as its class says it.
  function causeOf(input) {
    const { URL } = require("whatwg_url");
    try {
      return new URL(input);
    } catch (cause) {
      return cause;
    }
  }

  return { causeOf, choice };
}
