// What every request of `fetch` takes, as one module; the class Response is apart, as it keeps its text.

import * as body from "hookyard:body";
import * as exchange from "hookyard:exchange";
import * as fetch from "hookyard:fetch";
import * as header_list from "hookyard:header_list";
import * as request_init from "hookyard:request_init";

export { body, exchange, fetch, header_list, request_init };
