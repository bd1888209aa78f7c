// The module "path", for both kinds of systems.

const WORKING_DIRECTORY = "/";

export function make(host, intrinsics, require) {
  const errors = require("errors");
  const { indexOf, lower, slice } = require("calls");
  const { validateString } = errors;

  const isSlash = (character) => character === "/";
  const isEither = (character) => character === "/" || character === "\\";
  const isLetter = (character) => (character >= "a" && character <= "z") || (character >= "A" && character <= "Z");

  // Without "." and "..", as far as there is something before them.
  function resolved(path, allowAbove, separator, isSeparator) {
    const parts = [];
    let above = 0;
    for (let at = 0, start = 0; at <= path.length; at++) {
      if (at < path.length && !isSeparator(path[at])) {
        continue;
      }
      const part = slice(path, start, at);
      start = at + 1;
      if (part === "..") {
        if (parts.length > above) {
          parts.length--;
        } else if (allowAbove) {
          parts[parts.length] = part;
          above = parts.length;
        }
      } else if (part !== "" && part !== ".") {
        parts[parts.length] = part;
      }
    }
    let text = "";
    for (let at = 0; at < parts.length; at++) {
      text += at === 0 ? parts[at] : separator + parts[at];
    }
    return text;
  }

  // Where the last part begins and ends, without what separates it.
  function lastPart(path, from, isSeparator) {
    let end = path.length;
    while (end > from && isSeparator(path[end - 1])) {
      end--;
    }
    let start = end;
    while (start > from && !isSeparator(path[start - 1])) {
      start--;
    }
    return { start, end };
  }

  function dotOf(base) {
    let at = base.length - 1;
    while (at >= 0 && base[at] !== ".") {
      at--;
    }
    return at <= 0 || base === ".." ? base.length : at;
  }

  function basename(path, suffix, from, isSeparator) {
    if (suffix !== undefined) {
      validateString(suffix, "suffix");
    }
    validateString(path, "path");
    const { start, end } = lastPart(path, from(path), isSeparator);
    const base = slice(path, start, end);
    if (suffix === undefined || suffix === "" || suffix.length > path.length) {
      return base;
    }
    if (suffix === path) {
      return "";
    }
    const stem = base.length - suffix.length;
    // Node.js takes what ends the suffix for an unfinished one, and then keeps what separates.
    if (stem < 0 && slice(suffix, -stem) === base) {
      return slice(path, base === "" ? from(path) : start);
    }
    return stem > 0 && slice(base, stem) === suffix ? slice(base, 0, stem) : base;
  }

  function format(separator, object) {
    if (object === null || typeof object !== "object") {
      throw errors.invalidArgType("pathObject", "object", object);
    }
    const dir = object.dir || object.root;
    const dot = object.ext && object.ext[0] !== "." ? "." : "";
    const base = object.base || `${object.name || ""}${dot}${object.ext || ""}`;
    if (!dir) {
      return base;
    }
    return dir === object.root ? `${dir}${base}` : `${dir}${separator}${base}`;
  }

  const withoutExtension = (base) => slice(base, 0, dotOf(base));
  const matchesGlob = () => {
    throw host.notSupported("path.matchesGlob");
  };


  const posix = {
    resolve(...paths) {
      let path = "";
      let absolute = false;
      for (let at = paths.length - 1; at >= 0 && !absolute; at--) {
        validateString(paths[at], `paths[${at}]`);
        if (paths[at] !== "") {
          path = `${paths[at]}/${path}`;
          absolute = paths[at][0] === "/";
        }
      }
      return `/${resolved(absolute ? path : `${WORKING_DIRECTORY}/${path}`, false, "/", isSlash)}`;
    },
    normalize(path) {
      validateString(path, "path");
      if (path === "") {
        return ".";
      }
      const absolute = path[0] === "/";
      let text = resolved(path, !absolute, "/", isSlash);
      if (text === "" && !absolute) {
        return path[path.length - 1] === "/" ? "./" : ".";
      }
      if (text !== "" && path[path.length - 1] === "/") {
        text += "/";
      }
      return absolute ? `/${text}` : text;
    },
    isAbsolute(path) {
      validateString(path, "path");
      return path[0] === "/";
    },
    join(...paths) {
      let joined = "";
      for (let at = 0; at < paths.length; at++) {
        validateString(paths[at], "path");
        if (paths[at] !== "") {
          joined += joined === "" ? paths[at] : `/${paths[at]}`;
        }
      }
      return posix.normalize(joined);
    },
    relative(from, to) {
      validateString(from, "from");
      validateString(to, "to");
      const start = posix.resolve(from);
      const end = posix.resolve(to);
      return between(start, end, "/", (text) => text);
    },
    toNamespacedPath: (path) => path,
    dirname(path) {
      validateString(path, "path");
      if (path === "") {
        return ".";
      }
      const { start } = lastPart(path, 1, isSlash);
      if (start <= 1) {
        return path[0] === "/" ? (start === 1 || path.length === 1 || path[1] !== "/" ? "/" : "//") : ".";
      }
      const end = start - 1;
      return end === 1 && path[0] === "/" ? "//" : slice(path, 0, end);
    },
    basename: (path, suffix) => basename(path, suffix, () => 0, isSlash),
    extname(path) {
      validateString(path, "path");
      const { start, end } = lastPart(path, 0, isSlash);
      const base = slice(path, start, end);
      return slice(base, dotOf(base));
    },
    format: (object) => format("/", object),
    parse(path) {
      validateString(path, "path");
      const root = path[0] === "/" ? "/" : "";
      const { start, end } = lastPart(path, root.length, isSlash);
      const base = slice(path, start, end);
      const dir = start > root.length ? slice(path, 0, start - 1) : root;
      // Right below the root, Node.js sees an extension even here.
      const dot = base === ".." && root !== "" && start === 1 ? 1 : dotOf(base);
      return { root, dir, base, ext: slice(base, dot), name: slice(base, 0, dot) };
    },
    matchesGlob,
    sep: "/",
    delimiter: ":",
    win32: null,
    posix: null,
  };

  // How to get from one resolved path to another; `fold` makes those equal that differ in case only.
  function between(from, to, separator, fold) {
    if (from === to || fold(from) === fold(to)) {
      return "";
    }
    const parts = (path) => {
      const found = [];
      for (let at = 0, start = 0; at <= path.length; at++) {
        if (at === path.length || path[at] === separator) {
          if (at > start) {
            found[found.length] = slice(path, start, at);
          }
          start = at + 1;
        }
      }
      return found;
    };
    const left = parts(from);
    const right = parts(to);
    let same = 0;
    while (same < left.length && same < right.length && fold(left[same]) === fold(right[same])) {
      same++;
    }
    if (same === 0 && separator === "\\") {
      return undefined;
    }
    let way = "";
    for (let at = same; at < left.length; at++) {
      way += way === "" ? ".." : `${separator}..`;
    }
    for (let at = same; at < right.length; at++) {
      way += way === "" ? right[at] : `${separator}${right[at]}`;
    }
    return way;
  }

  // The end of the run of characters that separate, or that do not.
  function skip(path, at, separates) {
    while (at < path.length && isEither(path[at]) === separates) {
      at++;
    }
    return at;
  }

  // The device of a path on Windows, where it ends, and whether the path begins at its root.
  function rootOf(path) {
    if (path.length === 0) {
      return { device: "", end: 0, absolute: false };
    }
    if (isEither(path[0])) {
      return path.length > 1 && isEither(path[1]) ? shareOf(path) : { device: "", end: 1, absolute: true };
    }
    if (path.length > 1 && isLetter(path[0]) && path[1] === ":") {
      const absolute = path.length > 2 && isEither(path[2]);
      return { device: slice(path, 0, 2), end: absolute ? 3 : 2, absolute };
    }
    return { device: "", end: 0, absolute: false };
  }

  function shareOf(path) {
    const none = { device: "", end: 1, absolute: true };
    const server = skip(path, 2, false);
    const share = skip(path, server, true);
    const end = skip(path, share, false);
    if (server === 2 || share === server || end === share) {
      return none;
    }
    return { device: `\\\\${slice(path, 2, server)}\\${slice(path, share, end)}`, end, absolute: true, share: true };
  }

  // The namespaces of devices have no shares.
  const namespaceOf = (root) =>
    root.share && (root.device[2] === "." || root.device[2] === "?") && root.device[3] === "\\"
      ? { device: slice(root.device, 0, 3), end: 4, absolute: true }
      : root;

  const win32 = {
    resolve(...paths) {
      let device = "";
      let tail = "";
      let absolute = false;
      for (let at = paths.length - 1; at >= -1; at--) {
        let path;
        if (at >= 0) {
          path = paths[at];
          validateString(path, `paths[${at}]`);
          if (path === "") {
            continue;
          }
        } else {
          path = device === "" ? WORKING_DIRECTORY : `${device}\\`;
        }
        const root = namespaceOf(rootOf(path));
        if (root.device !== "") {
          if (device !== "" && lower(root.device) !== lower(device)) {
            continue;
          }
          device = device === "" ? root.device : device;
        }
        if (!absolute) {
          tail = `${slice(path, root.end)}\\${tail}`;
          absolute = root.absolute;
        }
        if (absolute && device !== "") {
          break;
        }
      }
      tail = resolved(tail, !absolute, "\\", isEither);
      return absolute ? `${device}\\${tail}` : `${device}${tail}` || ".";
    },
    normalize(path) {
      validateString(path, "path");
      if (path === "") {
        return ".";
      }
      if (path.length === 1) {
        return isSlash(path) ? "\\" : path;
      }
      const { device, end, absolute, share } = namespaceOf(rootOf(path));
      if (share && end === path.length) {
        return `${device}\\`;
      }
      let tail = resolved(slice(path, end), !absolute, "\\", isEither);
      if (tail === "" && !absolute) {
        tail = ".";
      }
      if (tail !== "" && isEither(path[path.length - 1])) {
        tail += "\\";
      }
      if (!absolute && device === "" && indexOf(path, ":") !== -1) {
        // What ".." has taken away must not turn the rest into a device.
        if (tail.length >= 2 && isLetter(tail[0]) && tail[1] === ":") {
          return `.\\${tail}`;
        }
        for (let at = indexOf(path, ":"); at !== -1; at = indexOf(path, ":", at + 1)) {
          if (at === path.length - 1 || isEither(path[at + 1])) {
            return `.\\${tail}`;
          }
        }
      }
      return absolute ? `${device}\\${tail}` : `${device}${tail}`;
    },
    isAbsolute(path) {
      validateString(path, "path");
      return isEither(path[0]) || (path.length > 2 && isLetter(path[0]) && path[1] === ":" && isEither(path[2]));
    },
    join(...paths) {
      let joined = "";
      let first;
      for (let at = 0; at < paths.length; at++) {
        validateString(paths[at], "path");
        if (paths[at] !== "") {
          first ??= paths[at];
          joined += joined === "" ? paths[at] : `\\${paths[at]}`;
        }
      }
      if (joined === "") {
        return ".";
      }
      // Only a first path that begins with exactly two and goes on can be that of a share.
      const slashes = skip(joined, 0, true);
      const share = skip(first, 0, true) === 2 && first.length > 2;
      if (slashes >= 2 && !share) {
        joined = `\\${slice(joined, slashes)}`;
      }
      return win32.normalize(joined);
    },
    relative(from, to) {
      validateString(from, "from");
      validateString(to, "to");
      if (from === to) {
        return "";
      }
      const start = win32.resolve(from);
      const end = win32.resolve(to);
      if (start === end || lower(start) === lower(end)) {
        return "";
      }
      const device = (path) => lower(rootOf(path).device);
      const way = device(start) === device(end) ? between(start, end, "\\", lower) : undefined;
      return way ?? end;
    },
    toNamespacedPath(path) {
      if (typeof path !== "string" || path === "") {
        return path;
      }
      const full = win32.resolve(path);
      if (full.length <= 2) {
        return path;
      }
      if (full[0] === "\\" && full[1] === "\\" && full[2] !== "?" && full[2] !== ".") {
        return `\\\\?\\UNC\\${slice(full, 2)}`;
      }
      return isLetter(full[0]) && full[1] === ":" && full[2] === "\\" ? `\\\\?\\${full}` : full;
    },
    dirname(path) {
      validateString(path, "path");
      if (path === "") {
        return ".";
      }
      if (path.length === 1) {
        return isEither(path) ? path : ".";
      }
      const { end, share } = rootOf(path);
      if (share && end === path.length) {
        return path;
      }
      const root = share ? end + 1 : end;
      let last = path.length;
      while (last > root && isEither(path[last - 1])) {
        last--;
      }
      while (last > root && !isEither(path[last - 1])) {
        last--;
      }
      if (last <= root) {
        return root === 0 ? "." : slice(path, 0, root);
      }
      return slice(path, 0, last - 1);
    },
    basename: (path, suffix) => basename(path, suffix, driveEnd, isEither),
    extname(path) {
      validateString(path, "path");
      const { start, end } = lastPart(path, driveEnd(path), isEither);
      const base = slice(path, start, end);
      return slice(base, dotOf(base));
    },
    format: (object) => format("\\", object),
    parse(path) {
      validateString(path, "path");
      const found = rootOf(path);
      // After a share, the separator is part of the root.
      const rootEnd = found.share && found.end < path.length ? found.end + 1 : found.end;
      const root = slice(path, 0, rootEnd);
      const { start, end } = lastPart(path, rootEnd, isEither);
      const base = slice(path, start, end);
      const dir = start > rootEnd ? slice(path, 0, start - 1) : root;
      return { root, dir, base, ext: slice(base, dotOf(base)), name: withoutExtension(base) };
    },
    matchesGlob,
    sep: "\\",
    delimiter: ";",
    win32: null,
    posix: null,
  };
  const driveEnd = (path) => (path.length >= 2 && isLetter(path[0]) && path[1] === ":" ? 2 : 0);

  posix.win32 = win32.win32 = win32;
  posix.posix = win32.posix = posix;
  posix._makeLong = posix.toNamespacedPath;
  win32._makeLong = win32.toNamespacedPath;
  return posix;
}
