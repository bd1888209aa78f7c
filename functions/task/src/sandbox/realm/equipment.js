// What the modules need of the host that few scripts get to.

export function equip(host, { uncurryThis, values, methods }, named) {
  host.equip(host);
  host.named = named;
  host.notSupported = (what) => named(new values.Error(`the sandbox does not support ${what}`), "NotSupported");
  host.namedKeys = withSymbols(host.namedKeys, uncurryThis(methods.ObjectPrototypePropertyIsEnumerable), values);
}

// The host can name the symbols among the keys only by their texts.
function withSymbols(namedKeys, isEnumerable, { ObjectGetOwnPropertySymbols }) {
  return (object, onlyEnumerable) => {
    const keys = namedKeys(object, onlyEnumerable);
    const symbols = ObjectGetOwnPropertySymbols(object);
    for (let at = 0; at < symbols.length; at++) {
      if (!onlyEnumerable || isEnumerable(object, symbols[at])) {
        keys[keys.length] = symbols[at];
      }
    }
    return keys;
  };
}
