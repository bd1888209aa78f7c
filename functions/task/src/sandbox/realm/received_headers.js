// The headers of a response as the host passes them: names and values, each on a line of its own, as neither has any.

export function make(host, { uncurryThis, values, methods }) {
  const split = uncurryThis(methods.StringPrototypeSplit);
  const push = uncurryThis(methods.ArrayPrototypePush);

  function pairsOf(text) {
    const lines = split(text, "\n");
    const pairs = [];
    for (let at = 0; at + 1 < lines.length; at += 2) {
      push(pairs, [lines[at], lines[at + 1]]);
    }
    return pairs;
  }

  return { pairsOf };
}
