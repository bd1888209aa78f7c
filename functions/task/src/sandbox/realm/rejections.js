// The promises that were rejected and that nothing handles.

// Describes the first of them; null if there is none.
export function first(rejected, { values, methods }, require) {
  const { ErrorIsError, ReflectApply } = values;

  function describe(reason) {
    const described = { __proto__: null, text: "something without a text", stack: null };
    try {
      if (ErrorIsError(reason)) {
        described.text = `${reason}`;
        described.stack = reason.stack;
      } else {
        described.text = require("inspect").inspect(reason);
      }
    } catch {
      // What has no text is described so.
    }
    return described;
  }

  let found = null;
  ReflectApply(methods.MapPrototypeForEach, rejected, [(reason) => void (found ??= describe(reason))]);
  return found;
}
