// What the URLs of Node.js ask about the paths of files.

export function makePath(primordials) {
  const { ArrayPrototypeJoin, ArrayPrototypePop, ArrayPrototypePush, StringPrototypeSplit } = primordials;

  // Makes an absolute path without `.` and `..`; the working directory is the root.
  function resolve(path) {
    const parts = [];
    const names = StringPrototypeSplit(path, "/");
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      if (name === "..") {
        ArrayPrototypePop(parts);
      } else if (name !== "" && name !== ".") {
        ArrayPrototypePush(parts, name);
      }
    }
    return `/${ArrayPrototypeJoin(parts, "/")}`;
  }

  return { sep: "/", posix: { resolve } };
}
