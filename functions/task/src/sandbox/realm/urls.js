// What the URLs of Node.js expect of their host.

const MAX_CHARACTERS = 1024 * 1024;

export function makeUrls(primordials, host, require) {
  const { StringPrototypeToWellFormed, Uint32Array } = primordials;
  const urlComponents = new Uint32Array(9);

  function checked(text) {
    if (text.length > MAX_CHARACTERS) {
      throw host.notSupported(`a URL of more than ${MAX_CHARACTERS} characters`);
    }
    return StringPrototypeToWellFormed(text);
  }

  // Takes the serialised URL over, and where its parts begin and end.
  function take(parsed) {
    if (parsed === undefined) {
      return false;
    }
    for (let at = 0; at < 9; at++) {
      urlComponents[at] = parsed[at + 1];
    }
    return parsed[0];
  }

  const parse = (input, base) => host.urlParse(checked(input), base === undefined ? null : checked(base));

  return {
    urlComponents,
    parse: (input, base, raises) => {
      const href = take(parse(input, base));
      if (href === false && raises) {
        const { ERR_INVALID_URL } = require("internal/errors").codes;
        throw base === undefined ? new ERR_INVALID_URL(input) : new ERR_INVALID_URL(input, base);
      }
      return href === false ? undefined : href;
    },
    canParse: (input, base) => parse(input, base) !== undefined,
    update: (href, action, value) => take(host.urlUpdate(href, action, checked(value))),
    domainToASCII: (domain) => host.domainToAscii(checked(domain)),
    domainToUnicode: (domain) => host.domainToUnicode(checked(domain)),
    getOrigin: (href) => new (require("internal/url").URL)(href).origin,
    format: (href, hash, unicode, search, auth) => {
      const url = new (require("internal/url").URL)(href);
      if (!hash) {
        url.hash = "";
      }
      if (!search) {
        url.search = "";
      }
      if (!auth) {
        url.username = "";
        url.password = "";
      }
      const { hostname } = url;
      const shown = unicode ? host.domainToUnicode(hostname) : hostname;
      return shown === hostname ? url.href : primordials.StringPrototypeReplace(url.href, hostname, () => shown);
    },
  };
}
