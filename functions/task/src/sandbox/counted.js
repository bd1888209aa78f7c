// Makes classes whose content lives outside the script's heap count: the content is either copied into the heap, where
// the memory limit sees it, or charged to a budget that no honest script exhausts.

export function countBuffer(Buffer) {
  const { from, concat } = Buffer;

  const copied = (made) => {
    const copy = new Buffer(made.length);
    copy.set(made);
    return copy;
  };
  Buffer.allocUnsafe = (size) => new Buffer(size);
  Buffer.allocUnsafeSlow = Buffer.allocUnsafe;
  Buffer.alloc = (size, fill, encoding) => {
    const made = new Buffer(size);
    if (fill === undefined || fill === 0) {
      return made;
    }
    if (typeof fill === "number") {
      return made.fill(fill);
    }
    const pattern = Buffer.from(fill, encoding);
    for (let index = 0; pattern.length > 0 && index < made.length; index += pattern.length) {
      made.set(pattern.subarray(0, made.length - index), index);
    }
    return made;
  };
  Buffer.from = (value, ...rest) => {
    const made = from.call(Buffer, value, ...rest);
    return value instanceof ArrayBuffer ? made : copied(made);
  };
  Buffer.concat = (list, length) => {
    const total = list.reduce((sum, part) => sum + part.length, 0);
    const made = copied(concat.call(Buffer, list));
    if (length === undefined || length === total) {
      return made;
    }
    const cut = new Buffer(length);
    cut.set(made.subarray(0, length));
    return cut;
  };
}

export function countUrls(globals, host) {
  const { URL: NativeUrl, URLSearchParams: NativeParams } = globals;

  const counted = (value) => {
    const plain = typeof value === "object" && value !== null ? String(value) : value;
    if (typeof plain === "string") {
      host.charge(plain.length);
    }
    return plain;
  };
  const countedMethod = (method) =>
    function (...args) {
      return method.apply(this, args.map(counted));
    };
  // A class like the native one, whose own methods and setters shadow those that store their arguments.
  const derive = (Native, Counted, methods) => {
    const own = Counted.prototype;
    for (const [name, { get, set, value }] of Object.entries(Object.getOwnPropertyDescriptors(Native.prototype))) {
      if (set) {
        const setCounted = countedMethod(set);
        Object.defineProperty(own, name, { get, set: setCounted, enumerable: true, configurable: true });
      } else if (methods.includes(name)) {
        own[name] = countedMethod(value);
      }
    }
    Object.setPrototypeOf(own, Native.prototype);
    Object.setPrototypeOf(Counted, Native);
    return Counted;
  };

  class URLSearchParams {
    constructor(init) {
      const listed = typeof init === "object" && init !== null;
      const native = listed || init === undefined ? new NativeParams() : new NativeParams(counted(init));
      const made = Object.setPrototypeOf(native, new.target.prototype);
      if (listed) {
        for (const [name, value] of typeof init[Symbol.iterator] === "function" ? init : Object.entries(init)) {
          made.append(String(name), String(value));
        }
      }
      return made;
    }
  }

  class URL {
    constructor(...args) {
      return Object.setPrototypeOf(new NativeUrl(...args.map(counted)), new.target.prototype);
    }

    get searchParams() {
      return Object.setPrototypeOf(super.searchParams, URLSearchParams.prototype);
    }
  }

  globals.URLSearchParams = derive(NativeParams, URLSearchParams, ["append", "set"]);
  globals.URL = derive(NativeUrl, URL, []);
}

export function makeTextEncoder(host) {
  return class TextEncoder {
    get encoding() {
      return "utf-8";
    }

    encode(text = "") {
      return new Uint8Array(host.encode(String(text).toWellFormed()));
    }

    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of String(text).toWellFormed()) {
        const bytes = this.encode(character);
        if (written + bytes.length > target.length) {
          break;
        }
        target.set(bytes, written);
        read += character.length;
        written += bytes.length;
      }
      return { read, written };
    }
  };
}
