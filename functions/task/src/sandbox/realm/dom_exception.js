// The class DOMException, which is an error by its prototype only.

const STACK_ERROR = "Error";
// The names of the errors in the order of their codes, as far as these are still given.
const NAMES = [
  "IndexSizeError", "", "HierarchyRequestError", "WrongDocumentError", "InvalidCharacterError", "", "NoModificationAllowedError",
  "NotFoundError", "NotSupportedError", "InUseAttributeError", "InvalidStateError", "SyntaxError", "InvalidModificationError",
  "NamespaceError", "InvalidAccessError", "", "TypeMismatchError", "SecurityError", "NetworkError", "AbortError", "URLMismatchError",
  "QuotaExceededError", "TimeoutError", "InvalidNodeTypeError", "DataCloneError",
];
// The constants in the same order.
const CONSTANTS = [
  "INDEX_SIZE_ERR", "DOMSTRING_SIZE_ERR", "HIERARCHY_REQUEST_ERR", "WRONG_DOCUMENT_ERR", "INVALID_CHARACTER_ERR",
  "NO_DATA_ALLOWED_ERR", "NO_MODIFICATION_ALLOWED_ERR", "NOT_FOUND_ERR", "NOT_SUPPORTED_ERR", "INUSE_ATTRIBUTE_ERR",
  "INVALID_STATE_ERR", "SYNTAX_ERR", "INVALID_MODIFICATION_ERR", "NAMESPACE_ERR", "INVALID_ACCESS_ERR", "VALIDATION_ERR",
  "TYPE_MISMATCH_ERR", "SECURITY_ERR", "NETWORK_ERR", "ABORT_ERR", "URL_MISMATCH_ERR", "QUOTA_EXCEEDED_ERR", "TIMEOUT_ERR",
  "INVALID_NODE_TYPE_ERR", "DATA_CLONE_ERR",
];

export function make(host, { values }, require) {
  const { ErrorCaptureStackTrace, ErrorPrototype, ObjectDefineProperty, ObjectSetPrototypeOf, SymbolToStringTag, TypeError } = values;
  const codes = { __proto__: null };

  class DOMException {
    #message;
    #name;

    constructor(message = "", options = STACK_ERROR) {
      ErrorCaptureStackTrace(this);
      this.#message = `${message}`;
      if (typeof options !== "object" || options === null) {
        this.#name = `${options}`;
        return;
      }
      this.#name = `${options.name}`;
      if ("cause" in options) {
        ObjectDefineProperty(this, "cause", { __proto__: null, value: options.cause, writable: true, configurable: true });
      }
    }

    static check(value) {
      if (typeof value !== "object" || value === null || !(#name in value)) {
        throw require("errors").nodeError(TypeError, "ERR_INVALID_THIS", 'Value of "this" must be of DOMException');
      }
    }

    get name() {
      check(this);
      return this.#name;
    }

    get message() {
      check(this);
      return this.#message;
    }

    get code() {
      check(this);
      return codes[this.#name] ?? 0;
    }
  }
  const { check } = DOMException;
  delete DOMException.check;

  const { prototype } = DOMException;
  ObjectSetPrototypeOf(prototype, ErrorPrototype);
  ObjectDefineProperty(prototype, SymbolToStringTag, { __proto__: null, value: "DOMException", configurable: true });
  const enumerable = { __proto__: null, enumerable: true };
  values.ObjectDefineProperties(prototype, { name: enumerable, message: enumerable, code: enumerable });
  for (let at = 0; at < CONSTANTS.length; at++) {
    const constant = { __proto__: null, value: at + 1, enumerable: true };
    ObjectDefineProperty(DOMException, CONSTANTS[at], constant);
    ObjectDefineProperty(prototype, CONSTANTS[at], constant);
    if (NAMES[at] !== "") {
      codes[NAMES[at]] = at + 1;
    }
  }
  return { DOMException };
}
