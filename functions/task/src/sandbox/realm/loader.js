// Loads the modules of the realm when they are first needed, with the intrinsics that no script has replaced.

// Those that need nothing of the host that it gives later, and those that need what it gives for requests.
const PLAIN = { __proto__: null, global_console: 1, microtasks: 1, timers: 1 };
const LEAN = {
  __proto__: null, body_reads: 1, calls: 1, fetch_more: 1, header_list: 1, headers: 1, received_headers: 1, request: 1,
  request_choices: 1, request_init: 1, response_more: 1, web_classes: 1,
};
// Those that every request needs; all but the last come as one module.
const FETCHING = { __proto__: null, body: 1, exchange: 1, fetch: 1, response: 0 };

export function makeLoader(host, intrinsics, guarded, named) {
  let made;
  let clock;
  let fetching;
  let canFetch = false;
  let canRequest = false;
  let equipped = false;

  function primordials() {
    needAll();
    return (made ??= host.load("primordials").makePrimordials(intrinsics));
  }

  function needFetch() {
    if (!canFetch) {
      canFetch = true;
      host.equipFetch(host);
    }
  }

  function needRequests() {
    needFetch();
    if (!canRequest) {
      canRequest = true;
      host.equipRequests(host);
    }
  }

  function needAll() {
    needRequests();
    if (!equipped) {
      equipped = true;
      host.load("equipment").equip(host, intrinsics, named);
    }
  }

  const timers = () => (clock ??= host.load("timers").makeTimers(host, intrinsics, require, guarded));

  const loaded = { __proto__: null };

  function make(name) {
    switch (name) {
      case "bytes":
        return host.load("bytes").makeBytes(primordials(), host);
      case "reflection":
        return host.load("types").makeReflection(host, intrinsics);
      case "structured_clone":
        return host.load("structured_clone").makeStructuredClone(primordials(), require, host);
      case "global_clone":
        return { structuredClone: require("structured_clone") };
      case "global_console":
        return host.load("global_console").makeConsole(host, intrinsics, primordials, require);
      case "microtasks":
        return host.load("microtasks").makeMicrotasks(intrinsics, require, guarded);
      case "timers":
        return timers().functions;
      default:
        return (FETCHING[name] ? (fetching ??= host.load("fetching"))[name] : host.load(name)).make(host, intrinsics, require);
    }
  }

  function require(name) {
    // What two modules need of each other they ask for when they are called, so that neither sees the other unmade.
    if (loaded[name] === undefined) {
      if (FETCHING[name] !== undefined) {
        needFetch();
      } else if (LEAN[name] !== undefined) {
        needRequests();
      } else if (PLAIN[name] === undefined) {
        needAll();
      }
      loaded[name] = make(name);
    }
    return loaded[name];
  }

  return { require, timers, forgetTimers: () => clock?.forgetAll() };
}

