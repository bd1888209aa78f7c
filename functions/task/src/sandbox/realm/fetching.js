// What a plain request of `fetch` takes, as one module; the class Response is apart, as it keeps its text.

import * as body from "hookyard:body";
import * as exchange from "hookyard:exchange";
import * as fetch from "hookyard:fetch";

export { body, exchange, fetch };
