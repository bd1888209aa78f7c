// The module "url": the legacy parser, and functions around URL.

const SLASHED = new Set(["http:", "https:", "ftp:", "gopher:", "file:", "ws:", "wss:"]);
const SCRIPT = "javascript:";
const MAX_HOST = 255;
// The fields of a parsed URL, in the order in which it shows them.
const NOTHING = {
  protocol: null,
  slashes: null,
  auth: null,
  host: null,
  port: null,
  hostname: null,
  hash: null,
  search: null,
  query: null,
  pathname: null,
  path: null,
  href: null,
};
// What a path is written without.
const UNWISE = /[\t\n\r "'<>\\^`{|}]/g;
// Unlike those that `trim` takes off.
const BLANK_ENDS = /^[\0- \xa0\ufeff]+|[\0- \xa0\ufeff]+$/g;
const UNWISE_IN_FILES = /[\t\n\r #%?[\\\]^|~]/g;
const FORBIDDEN_IN_HOSTS = /[\0\t\n\r #%/:<>?@[\\\]^|]/;
const FORBIDDEN_IN_ADDRESSES = /[\0\t\n\r #%/<>?@\\^|]/;

const escaped = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;

export function make(host, intrinsics, require) {
  const { invalidArgType, missingArgs, nodeError, validateObject, validateString } = require("errors");
  const { URL, URLSearchParams, checked, invalidUrl, isOwn, isURL } = require("whatwg_url");
  const querystring = () => require("querystring");

  function Url() {
    Object.assign(this, NOTHING);
  }

  // Splits at the first `?` and `#`, which belong to what follows them.
  function split(text) {
    const [, path, search, hash] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(text);
    return { path, search: search ?? null, hash: hash ?? null };
  }

  function setQuery(url, search, parses) {
    url.search = search;
    if (parses) {
      url.query = querystring().parse(search?.slice(1));
    } else {
      url.query = search === null ? null : search.slice(1);
    }
  }

  function parse(text, parsesQuery, slashesDenoteHost) {
    const url = new Url();
    url.parse(text, parsesQuery, slashesDenoteHost);
    return url;
  }

  const isAddress = (hostname) => hostname[0] === "[" && hostname.endsWith("]");

  // Takes the authority off the text, which begins with one, and returns the rest.
  function takeHost(url, text, input) {
    const whole = /^[^/?#]*/.exec(text)[0];
    const authority = whole.replace(/[\t\n\r]/g, "");
    const at = authority.lastIndexOf("@");
    if (at !== -1) {
      url.auth = decodeURIComponent(authority.slice(0, at));
    }
    const open = authority.slice(at + 1);
    const name = /^[^ "%';<>\\^`{|}]*/.exec(open)[0];
    let rest = open.slice(name.length) + text.slice(whole.length);
    url.host = name;
    url.parseHost();
    const hostname = url.hostname ?? "";
    const address = isAddress(hostname);
    // What follows a colon without being a port belongs to the path.
    const colon = address ? -1 : hostname.indexOf(":");
    if (colon !== -1) {
      rest = `/${hostname.slice(colon)}${rest}`;
    }
    url.hostname = checkHost(colon === -1 ? hostname : hostname.slice(0, colon), address, input);
    url.host = `${url.hostname}${url.port ? `:${url.port}` : ""}`;
    if (!address) {
      return rest;
    }
    url.hostname = url.hostname.slice(1, -1);
    return rest[0] === "/" ? rest : `/${rest}`;
  }

  // With another label behind it, no name is taken for an address.
  function toAscii(name) {
    return host.domainToAscii(checked(`${name}.a`)).slice(0, -2);
  }

  function checkHost(hostname, address, input) {
    if (hostname === "" || hostname.length > MAX_HOST) {
      return "";
    }
    const lower = (address ? hostname : hostname.split("\0")[0]).toLowerCase();
    const plain = /^(?!(?:.*\.)?xn--)[\0-\x7f]*$/.test(lower);
    const ascii = address || plain ? lower : toAscii(lower);
    if (ascii === "" || (address ? FORBIDDEN_IN_ADDRESSES : FORBIDDEN_IN_HOSTS).test(ascii)) {
      throw invalidUrl(input);
    }
    return ascii;
  }

  Url.prototype.parseHost = function parseHost() {
    const [, hostname, colon] = /^([^]*?)(:[0-9]*)?$/.exec(this.host);
    if (colon?.length > 1) {
      this.port = colon.slice(1);
    }
    if (hostname !== "") {
      this.hostname = hostname;
    }
  };

  Url.prototype.parse = function parse(text, parsesQuery, slashesDenoteHost) {
    validateString(text, "url");
    const { path, search, hash } = split(text.replace(BLANK_ENDS, ""));
    const start = path.replaceAll("\\", "/");
    let rest = `${start}${search ?? ""}${hash ?? ""}`;
    if (!slashesDenoteHost && hash === null && !start.includes("@") && /^\/(?:\/?(?!\/))[^\s]*$/.test(rest)) {
      this.pathname = start;
      setQuery(this, search, parsesQuery);
      this.path = rest;
      this.href = rest;
      return this;
    }
    const protocol = /^[a-z0-9.+-]+:/i.exec(rest)?.[0];
    const scheme = protocol?.toLowerCase();
    if (protocol !== undefined) {
      this.protocol = scheme;
      rest = rest.slice(protocol.length);
    }
    let hasHost = false;
    if (slashesDenoteHost || protocol !== undefined || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
      if (rest.startsWith("//") && scheme !== SCRIPT) {
        rest = rest.slice(2);
        this.slashes = true;
        hasHost = true;
      }
    }
    if (scheme !== SCRIPT && (hasHost || (protocol !== undefined && !SLASHED.has(protocol)))) {
      rest = takeHost(this, rest, text);
    }
    const parts = split(scheme === SCRIPT ? rest : rest.replace(UNWISE, escaped));
    this.hash = parts.hash;
    setQuery(this, parts.search, parsesQuery);
    this.pathname = parts.path === "" ? null : parts.path;
    if (this.pathname === null && this.hostname && SLASHED.has(scheme)) {
      this.pathname = "/";
    }
    if (this.pathname !== null || this.search !== null) {
      this.path = `${this.pathname ?? ""}${this.search ?? ""}`;
    }
    this.href = this.format();
    return this;
  };

  Url.prototype.format = function format() {
    const port = this.port ? `:${this.port}` : "";
    const auth = this.auth ? `${encodeURIComponent(this.auth).replace(/%3A/gi, ":")}@` : "";
    const protocol = this.protocol ? this.protocol.replace(/:?$/, ":") : "";
    let authority;
    if (this.host) {
      authority = `${auth}${this.host}`;
    } else if (this.hostname) {
      const bare = this.hostname.includes(":") && !isAddress(this.hostname);
      authority = `${auth}${bare ? `[${this.hostname}]` : this.hostname}${port}`;
    }
    const query =
      this.query !== null && typeof this.query === "object" ? querystring().stringify(this.query) : "";
    const search = (this.search || (query && `?${query}`) || "").replaceAll("#", "%23").replace(/^(?=[^?])/, "?");
    const hash = (this.hash || "").replace(/^(?=[^#])/, "#");
    let pathname = (this.pathname || "").replace(/[#?]/g, escaped);
    if (this.slashes || SLASHED.has(protocol)) {
      if (this.slashes || authority !== undefined) {
        pathname = pathname.replace(/^(?=[^/])/, "/");
        authority = `//${authority ?? ""}`;
      } else if (protocol === "file:") {
        authority = "//";
      }
    }
    return `${protocol}${authority ?? ""}${pathname}${search}${hash}`;
  };

  Url.prototype.resolve = function resolve(relative) {
    return this.resolveObject(parse(relative, false, true)).format();
  };

  const AUTHORITY = ["auth", "host", "port", "hostname"];
  const take = (target, source, names) => names.forEach((name) => (target[name] = source[name]));

  function finish(url) {
    if (url.pathname !== null || url.search !== null) {
      url.path = `${url.pathname ?? ""}${url.search ?? ""}`;
    }
    url.href = url.format();
    return url;
  }

  Url.prototype.resolveObject = function resolveObject(given) {
    const relative = typeof given === "string" ? parse(given, false, true) : given;
    const result = new Url();
    Object.assign(result, this);
    result.hash = relative.hash;
    if (relative.href === "") {
      result.href = result.format();
      return result;
    }
    if (relative.protocol && relative.protocol !== this.protocol) {
      return change(result, relative);
    }
    if (relative.slashes && !relative.protocol) {
      Object.assign(result, relative, { protocol: this.protocol });
      if (SLASHED.has(result.protocol) && result.hostname && !result.pathname) {
        result.pathname = "/";
        result.path = "/";
      }
      result.href = result.format();
      return result;
    }
    return merge(result, relative);
  };

  // What has another protocol is not relative, but its host may be the first name of its path.
  function change(result, relative) {
    const { path, slashes } = result;
    Object.assign(result, relative);
    if (!SLASHED.has(relative.protocol)) {
      result.href = result.format();
      return result;
    }
    result.slashes = slashes || relative.slashes;
    result.path = path;
    if (!relative.host && relative.protocol !== "file:") {
      const [, first, rest] = /^\/*([^/]*)([^]*)$/.exec(relative.pathname ?? "");
      result.host = first;
      result.hostname = first;
      result.pathname = rest.replace(/^\/{0,2}/, "/");
    }
    result.host ??= "";
    return finish(result);
  }

  // Resolves what has the same protocol, or none.
  function merge(result, relative) {
    if (result.protocol && !SLASHED.has(result.protocol)) {
      throw host.notSupported(`resolving against a URL with the protocol ${result.protocol}`);
    }
    const path = relative.pathname ?? "";
    const base = result.pathname ?? "";
    const hasHost = Boolean(relative.host);
    if (hasHost || (relative.host !== null && path[0] === "/")) {
      take(result, relative, AUTHORITY);
    }
    if (hasHost || path !== "" || relative.search !== null) {
      take(result, relative, ["search", "query"]);
    }
    if (!hasHost && path === "" && relative.search !== null) {
      return finish(result);
    }
    let joined = path;
    if (!hasHost && path === "") {
      joined = base;
    } else if (!hasHost && path[0] !== "/") {
      joined = `${base.replace(/[^/]*$/, "")}${path}`;
    }
    const rooted = hasHost || path[0] === "/" || base[0] === "/" || Boolean(result.host && path !== "");
    if (joined === "") {
      result.pathname = null;
      result.path = result.search ? `/${result.search}` : null;
      result.href = result.format();
      return result;
    }
    result.slashes ||= relative.slashes;
    result.path = null;
    result.pathname = withoutDots(joined, rooted, Boolean(result.host));
    return finish(result);
  }

  // A path without `.` and `..`; the root counts as a name that `..` can take away.
  function withoutDots(path, rooted, hasHost) {
    const names = path === "" ? [] : path.split("/");
    const kept = [];
    let above = 0;
    for (const name of names) {
      if (name === "..") {
        if (kept.length > 0) {
          kept.pop();
        } else {
          above++;
        }
      } else if (name !== ".") {
        kept.push(name);
      }
    }
    const last = names.at(-1);
    const dots = last === "." || last === "..";
    const open = last === "" || (dots && (hasHost || names.length > 1));
    if (!rooted) {
      kept.unshift(...new Array(above).fill(".."));
    }
    if (rooted && kept[0] !== "" && names.length > 0) {
      kept.unshift("");
    }
    if (open && !kept.join("/").endsWith("/")) {
      kept.push("");
    }
    return kept.length === 0 ? null : kept.join("/");
  }

  function urlResolveObject(source, relative) {
    return source ? urlParse(source, false, true).resolveObject(relative) : relative;
  }

  function urlFormat(value, options) {
    if (typeof value === "string") {
      return parse(value).format();
    }
    if (value === null || typeof value !== "object") {
      throw invalidArgType("urlObject", ["Object", "string"], value);
    }
    if (!isOwn(value)) {
      return Url.prototype.format.call(value);
    }
    if (options) {
      validateObject(options, "options", { allowArray: true, allowFunction: true });
    }
    const { auth = true, fragment = true, search = true, unicode = false } = options ?? {};
    const parts = split(value.href);
    let start = parts.path;
    if (!auth) {
      start = start.replace(/^([^:/]*:\/\/)[^/@]*@/, "$1");
    }
    const shown = unicode && value.hostname.includes("xn--") ? host.domainToUnicode(checked(value.hostname)) : "";
    if (shown !== "") {
      start = start.replace(/^([^:/]*:\/\/(?:[^/@]*@)?)[^/:]*/, (_, before) => before + shown);
    }
    return `${start}${search ? (parts.search ?? "") : ""}${fragment ? (parts.hash ?? "") : ""}`;
  }

  function needDomain(args) {
    if (args.length === 0) {
      throw missingArgs("domain");
    }
  }

  function domainToASCII(domain) {
    needDomain(arguments);
    return host.domainToAscii(checked(domain));
  }

  function domainToUnicode(domain) {
    needDomain(arguments);
    return host.domainToUnicode(checked(domain));
  }

  // The working directory is the root.
  function pathToFileURL(path) {
    validateString(path, "path");
    const names = [];
    for (const name of path.split("/")) {
      if (name === "..") {
        names.pop();
      } else if (name !== "" && name !== ".") {
        names.push(name);
      }
    }
    const resolved = `/${names.join("/")}${path.endsWith("/") && names.length > 0 ? "/" : ""}`;
    return new URL(`file://${resolved.replace(UNWISE_IN_FILES, escaped)}`);
  }

  function fileURLToPath(path) {
    const url = typeof path === "string" ? new URL(path) : path;
    if (!isURL(url)) {
      throw invalidArgType("path", ["string", "URL"], path);
    }
    if (url.protocol !== "file:") {
      throw nodeError(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
    }
    if (url.hostname !== "") {
      const message = 'File URL host must be "localhost" or empty on linux';
      throw nodeError(TypeError, "ERR_INVALID_FILE_URL_HOST", message);
    }
    if (/%2f/i.test(url.pathname)) {
      const message = "File URL path must not include encoded / characters";
      throw nodeError(TypeError, "ERR_INVALID_FILE_URL_PATH", message);
    }
    return decodeURIComponent(url.pathname);
  }

  function urlToHttpOptions(url) {
    const { hostname, pathname, port, search, username, password } = url;
    const options = {
      __proto__: null,
      ...url,
      protocol: url.protocol,
      hostname: hostname?.[0] === "[" ? hostname.slice(1, -1) : hostname,
      hash: url.hash,
      search,
      pathname,
      path: `${pathname ?? ""}${search ?? ""}`,
      href: url.href,
    };
    if (port !== "") {
      options.port = Number(port);
    }
    if (username || password) {
      options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    }
    return options;
  }

  function urlParse(text, parsesQuery, slashesDenoteHost) {
    return text instanceof Url ? text : parse(text, parsesQuery, slashesDenoteHost);
  }

  function urlResolve(source, relative) {
    return parse(source, false, true).resolve(relative);
  }

  return {
    Url,
    parse: urlParse,
    resolve: urlResolve,
    resolveObject: urlResolveObject,
    format: urlFormat,
    URL,
    URLSearchParams,
    domainToASCII,
    domainToUnicode,
    pathToFileURL,
    fileURLToPath,
    urlToHttpOptions,
  };
}
