// The modules "http" and "https" as far as requests go.

const METHODS = [
  "ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY",
  "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND",
  "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
];
const STATUS_CODES = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Payload Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  418: "I'm a Teapot",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  509: "Bandwidth Limit Exceeded",
  510: "Not Extended",
  511: "Network Authentication Required",
};

export function make(host, { values }, require) {
  const { ObjectAssign } = values;
  const { validateHeaderName, validateHeaderValue } = require("http_headers");
  const EventEmitter = require("events");

  const lazily = (object, name, find) =>
    values.ObjectDefineProperty(object, name, { __proto__: null, get: find, enumerable: true, configurable: true });

  // What scripts pass with a request; the connections are the host's affair.
  class Agent extends EventEmitter {
    constructor(options = undefined) {
      super();
      for (const name of ["ca", "cert", "key", "pfx", "socketPath", "proxyEnv"]) {
        if (options?.[name] !== undefined && options[name] !== null) {
          throw host.notSupported(`the option ${name} of an agent`);
        }
      }
      this.options = { ...options };
      const { keepAlive = false, maxSockets = Infinity } = this.options;
      ObjectAssign(this, { keepAlive, maxSockets, requests: {}, sockets: {}, freeSockets: {} });
    }

    destroy() {}
  }

  // The options of a request, which a URL may begin.
  function readOptions(args) {
    const [first, second] = args;
    const { URL, urlToHttpOptions } = require("url");
    if (typeof first === "string" || first instanceof URL) {
      const url = urlToHttpOptions(typeof first === "string" ? new URL(first) : first);
      const isCallback = typeof second === "function";
      return { options: { ...url, ...(isCallback ? {} : second) }, callback: isCallback ? second : args[2] };
    }
    return { options: { ...first }, callback: second };
  }

  function client(protocol) {
    function request(...args) {
      const { ClientRequest } = require("client_request");
      const { options, callback } = readOptions(args);
      return new ClientRequest(options, callback, protocol);
    }
    function get(...args) {
      const made = request(...args);
      made.end();
      return made;
    }
    class ProtocolAgent extends Agent {
      constructor(options = undefined) {
        super(options);
        ObjectAssign(this, { defaultPort: protocol === "https:" ? 443 : 80, protocol });
      }
    }
    values.ObjectDefineProperty(ProtocolAgent, "name", { __proto__: null, value: "Agent", configurable: true });
    const createServer = () => {
      throw host.notSupported("a server");
    };
    class Server {
      constructor() {
        createServer();
      }
    }
    return { Agent: ProtocolAgent, globalAgent: new ProtocolAgent({ keepAlive: true }), Server, createServer, get, request };
  }

  const http = {
    METHODS: [...METHODS],
    STATUS_CODES: { ...STATUS_CODES },
    ...client("http:"),
    maxHeaderSize: 16_384,
    setMaxIdleHTTPParsers() {},
    validateHeaderName,
    validateHeaderValue,
  };
  lazily(http, "ClientRequest", () => require("client_request").ClientRequest);
  lazily(http, "IncomingMessage", () => require("incoming_message").IncomingMessage);
  return { http, https: client("https:"), STATUS_CODES };
}
