// What depends on a language or a time zone. Only what is as in Node.js is there; everything else is refused by name.

const LANGUAGES = {
  __proto__: null,
  "en-us": { locale: "en-US", group: ",", point: ".", minus: "-", percent: "%", order: "mdy", slash: "/", gap: ", ", twelve: true },
  "en-gb": { locale: "en-GB", group: ",", point: ".", minus: "-", percent: "%", order: "dmy", slash: "/", gap: ", ", padded: true },
  "sv-se": { locale: "sv-SE", group: "\u00a0", point: ",", minus: "\u2212", percent: "\u00a0%", order: "ymd", slash: "-", gap: " ", padded: true },
  "de-de": { locale: "de-DE", group: ".", point: ",", minus: "-", percent: "\u00a0%", order: "dmy", slash: ".", gap: ", " },
};
const SHORT = { __proto__: null, en: "en-us", sv: "sv-se", de: "de-de" };
const CURRENCIES = {
  __proto__: null,
  "en-US": { __proto__: null, USD: "$", EUR: "€", GBP: "£" },
  "de-DE": { __proto__: null, USD: "$", EUR: "€" },
};
// The order of the characters of ASCII; letters differ in their case only if nothing else does.
const COLLATION = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";
const DATE_FIELDS = ["year", "month", "day"];
const TIME_FIELDS = ["hour", "minute", "second"];
const DATE_OPTIONS = ["timeZone", "hour12", "hourCycle", ...DATE_FIELDS, ...TIME_FIELDS];
const MISSING = [
  "Collator",
  "DisplayNames",
  "ListFormat",
  "Locale",
  "PluralRules",
  "RelativeTimeFormat",
  "Segmenter",
  "getCanonicalLocales",
  "supportedValuesOf",
];
const MAX_FRACTION_DIGITS = 20;

export function make(host, { uncurryThis, values, methods }) {
  const { ArrayIsArray, Date, MathMax, MathMin, Number, ObjectKeys, RangeError, String, TypeError } = values;
  const getTime = uncurryThis(methods.DatePrototypeGetTime);
  const getOffset = uncurryThis(methods.DatePrototypeGetTimezoneOffset);
  const toIso = uncurryThis(methods.DatePrototypeToISOString);
  const numberOf = uncurryThis(methods.NumberPrototypeValueOf);
  const bigintOf = uncurryThis(methods.BigIntPrototypeValueOf);
  const exec = uncurryThis(methods.RegExpPrototypeExec);
  const includes = uncurryThis(methods.ArrayPrototypeIncludes);
  const indexOf = uncurryThis(methods.StringPrototypeIndexOf);
  const lower = uncurryThis(methods.StringPrototypeToLowerCase);
  const padStart = uncurryThis(methods.StringPrototypePadStart);
  const repeat = uncurryThis(methods.StringPrototypeRepeat);
  const slice = uncurryThis(methods.StringPrototypeSlice);
  const upper = uncurryThis(methods.StringPrototypeToUpperCase);

  function tagOf(locales) {
    const first = ArrayIsArray(locales) ? locales[0] : locales;
    if (first === undefined || (typeof first !== "string" && typeof first !== "object")) {
      return "en-us";
    }
    if (typeof first !== "string") {
      throw new TypeError("Incorrect locale information provided");
    }
    if (exec(/^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i, first) === null) {
      throw new RangeError(`Incorrect locale information provided: ${first}`);
    }
    return lower(first);
  }

  function language(locales) {
    const tag = tagOf(locales);
    const found = LANGUAGES[SHORT[tag] ?? tag];
    if (found === undefined) {
      throw host.notSupported(`the locale ${tag}`);
    }
    return found;
  }

  function checkOptions(options, known) {
    if (options === undefined) {
      return {};
    }
    if (options === null) {
      throw new TypeError("Cannot convert undefined or null to object");
    }
    const keys = ObjectKeys(options);
    for (let at = 0; at < keys.length; at++) {
      if (options[keys[at]] !== undefined && !includes(known, keys[at])) {
        throw host.notSupported(`the option ${keys[at]}`);
      }
    }
    return options;
  }

  function dateFormat(locales, given, required, defaults) {
    const found = language(locales);
    const options = checkOptions(given, DATE_OPTIONS);
    const { timeZone, hour12, hourCycle } = options;
    if (timeZone !== undefined && host.zoneOffset(`${timeZone}`, 0) === undefined) {
      throw new RangeError(`Invalid time zone specified: ${timeZone}`);
    }
    const fields = fieldsOf(options, required, defaults);
    const twelve = hour12 ?? (hourCycle === undefined ? found.twelve === true : hourCycle === "h12");
    if ((hourCycle !== undefined && hourCycle !== "h23" && hourCycle !== "h12") || (twelve && !found.twelve)) {
      throw host.notSupported("this hour cycle");
    }
    // Where hours go to twelve, those that are asked not to begin at one.
    const midnight = found.twelve && hour12 === false ? "24" : "00";
    return { language: found, timeZone, fields, twelve, midnight };
  }

  function fieldsOf(options, required, defaults) {
    const fields = { __proto__: null };
    const has = (names) => {
      let any = 0;
      for (let at = 0; at < names.length; at++) {
        const style = options[names[at]];
        if (style === undefined) {
          continue;
        }
        if (style !== "numeric" && style !== "2-digit") {
          throw host.notSupported(`the option ${names[at]}: ${String(style)}`);
        }
        fields[names[at]] = style;
        any++;
      }
      return any;
    };
    const { 0: dates, 1: times } = [has(DATE_FIELDS), has(TIME_FIELDS)];
    const chosen = (required !== "time" && dates > 0) || (required !== "date" && times > 0);
    if (!chosen) {
      if (defaults !== "time") {
        fields.year ??= fields.month ??= fields.day ??= "numeric";
      }
      if (defaults !== "date") {
        fields.hour ??= fields.minute ??= fields.second ??= "numeric";
      }
    }
    const whole = (fields.year && fields.month && fields.day) || !(fields.year || fields.month || fields.day);
    const timed = (fields.hour && fields.minute) || !(fields.hour || fields.minute || fields.second);
    if (!whole || !timed) {
      throw host.notSupported("a date without day, month and year or a time without hour and minute");
    }
    return fields;
  }

  function formatDate(format, date) {
    const ms = getTime(date);
    if (ms !== ms) {
      return "Invalid Date";
    }
    const offset =
      format.timeZone === undefined ? -getOffset(date) * 60_000 : host.zoneOffset(`${format.timeZone}`, ms) * 1000;
    const iso = toIso(new Date(ms + offset));
    if (iso.length !== 24) {
      throw host.notSupported("a year of more than four digits");
    }
    const { fields, language: found } = format;
    const date_ = fields.year ? dateText(iso, fields, found) : "";
    const time = fields.hour ? timeText(iso, format) : "";
    return date_ !== "" && time !== "" ? date_ + found.gap + time : date_ + time;
  }

  const bare = (digits) => `${Number(digits)}`;

  function dateText(iso, fields, found) {
    const shown = (style, digits) => (found.padded || style === "2-digit" ? digits : bare(digits));
    const year = fields.year === "2-digit" ? slice(iso, 2, 4) : bare(slice(iso, 0, 4));
    const month = shown(fields.month, slice(iso, 5, 7));
    const day = shown(fields.day, slice(iso, 8, 10));
    const { order, slash } = found;
    if (order === "mdy") {
      return month + slash + day + slash + year;
    }
    return order === "dmy" ? day + slash + month + slash + year : year + slash + month + slash + day;
  }

  function timeText(iso, { fields, twelve, midnight }) {
    const hour = Number(slice(iso, 11, 13));
    const rest = slice(iso, 13, fields.second ? 19 : 16);
    if (!twelve) {
      return (hour === 0 ? midnight : padStart(`${hour}`, 2, "0")) + rest;
    }
    const shown = `${hour % 12 === 0 ? 12 : hour % 12}`;
    const padded = fields.hour === "2-digit" ? padStart(shown, 2, "0") : shown;
    return `${padded}${rest} ${hour < 12 ? "AM" : "PM"}`;
  }

  function numberFormat(locales, given) {
    const found = language(locales);
    const known = ["style", "currency", "minimumFractionDigits", "maximumFractionDigits", "useGrouping"];
    const options = checkOptions(given, known);
    const { style = "decimal", useGrouping = true } = options;
    if (style !== "decimal" && style !== "percent" && style !== "currency") {
      throw host.notSupported(`the option style: ${String(style)}`);
    }
    if (typeof useGrouping !== "boolean") {
      throw host.notSupported(`the option useGrouping: ${String(useGrouping)}`);
    }
    let symbol;
    if (style === "currency") {
      if (options.currency === undefined) {
        throw new TypeError("Currency code is required with currency style.");
      }
      symbol = CURRENCIES[found.locale]?.[upper(`${options.currency}`)];
      if (symbol === undefined) {
        throw host.notSupported(`the currency ${options.currency} in ${found.locale}`);
      }
    }
    const least = style === "currency" ? 2 : 0;
    const { 0: minimum, 1: maximum } = digits(options, least, style === "currency" ? 2 : style === "percent" ? 0 : 3);
    return { language: found, style, symbol, useGrouping, minimum, maximum };
  }

  function digits({ minimumFractionDigits: low, maximumFractionDigits: high }, least, most) {
    const checked = (value, name) => {
      const number = Number(value);
      if (!(number >= 0 && number <= 100)) {
        throw new RangeError(`${name} value is out of range.`);
      }
      if (number > MAX_FRACTION_DIGITS) {
        throw host.notSupported(`more than ${MAX_FRACTION_DIGITS} fraction digits`);
      }
      return number - (number % 1);
    };
    const minimum = low === undefined ? undefined : checked(low, "minimumFractionDigits");
    const maximum = high === undefined ? undefined : checked(high, "maximumFractionDigits");
    if (minimum > maximum) {
      throw new RangeError("maximumFractionDigits value is out of range.");
    }
    const start = minimum ?? MathMin(least, maximum ?? least);
    return [start, maximum ?? MathMax(most, start)];
  }

  function formatNumber(format, value) {
    const { language: found, style, symbol } = format;
    const negative = value < 0 || (value === 0 && typeof value === "number" && 1 / value < 0);
    const sign = negative ? found.minus : "";
    let text;
    if (value !== value) {
      text = "NaN";
    } else if (value === Infinity || value === -Infinity) {
      text = "∞";
    } else {
      text = decimal(`${negative ? -value : value}`, format);
    }
    if (style === "percent") {
      return sign + text + found.percent;
    }
    if (style !== "currency") {
      return sign + text;
    }
    return found.locale === "en-US" ? sign + symbol + text : `${sign}${text}\u00a0${symbol}`;
  }

  // Rounds the shortest text of a number half away from zero, and groups its digits.
  function decimal(text, { language: found, style, useGrouping, minimum, maximum }) {
    const { 1: whole, 3: fraction = "", 4: exponent = "0" } = exec(/^(\d+)(\.(\d+))?(?:e([+-]\d+))?$/, text);
    let point = whole.length + Number(exponent) + (style === "percent" ? 2 : 0);
    let all = whole + fraction;
    if (point < 1) {
      all = repeat("0", 1 - point) + all;
      point = 1;
    }
    if (all.length < point) {
      all += repeat("0", point - all.length);
    }
    if (all.length > point + maximum) {
      const up = all[point + maximum] >= "5";
      all = slice(all, 0, point + maximum);
      if (up) {
        const raised = increment(all);
        point += raised.length - all.length;
        all = raised;
      }
    }
    let before = slice(all, 0, point);
    while (before.length > 1 && before[0] === "0") {
      before = slice(before, 1);
    }
    let after = slice(all, point);
    while (after.length > minimum && after[after.length - 1] === "0") {
      after = slice(after, 0, -1);
    }
    after += repeat("0", MathMax(0, minimum - after.length));
    let grouped = "";
    while (useGrouping && before.length > 3) {
      grouped = found.group + slice(before, -3) + grouped;
      before = slice(before, 0, -3);
    }
    return before + grouped + (after === "" ? "" : found.point + after);
  }

  function increment(all) {
    let at = all.length - 1;
    while (at >= 0 && all[at] === "9") {
      at--;
    }
    const zeros = repeat("0", all.length - 1 - at);
    return at < 0 ? `1${zeros}` : slice(all, 0, at) + `${Number(all[at]) + 1}` + zeros;
  }

  function compare(text, { 0: other, 1: locales, 2: options }) {
    if (text === undefined || text === null) {
      throw new TypeError("String.prototype.localeCompare called on null or undefined");
    }
    const { 0: left, 1: right } = [`${text}`, `${other}`];
    language(locales);
    checkOptions(options, []);
    const ascii = /^[\x20-\x7e]*$/;
    if (exec(ascii, left) === null || exec(ascii, right) === null) {
      if (left === right) {
        return 0;
      }
      throw host.notSupported("comparing texts that are not ASCII by locale");
    }
    const { 0: low, 1: high } = [lower(left), lower(right)];
    for (let at = 0; at < low.length && at < high.length; at++) {
      if (low[at] !== high[at]) {
        return indexOf(COLLATION, low[at]) < indexOf(COLLATION, high[at]) ? -1 : 1;
      }
    }
    if (low.length !== high.length) {
      return low.length < high.length ? -1 : 1;
    }
    for (let at = 0; at < left.length; at++) {
      if (left[at] !== right[at]) {
        return left[at] === low[at] ? -1 : 1;
      }
    }
    return 0;
  }

  function changeCase(change, text, { 0: locales }) {
    if (text === undefined || text === null) {
      throw new TypeError("the method is called on null or undefined");
    }
    if (locales !== undefined) {
      language(locales);
    }
    return change(`${text}`);
  }

  function intl() {
    class DateTimeFormat {
      #format;

      constructor(locales = undefined, options = undefined) {
        this.#format = dateFormat(locales, options, "any", "date");
      }

      get format() {
        const format = this.#format;
        return (date) => formatDate(format, date === undefined ? new Date() : new Date(date));
      }

      formatToParts() {
        throw host.notSupported("Intl.DateTimeFormat.prototype.formatToParts");
      }

      resolvedOptions() {
        const { language: found, timeZone } = this.#format;
        const zone = timeZone === undefined ? host.systemZone() : host.zoneName(`${timeZone}`);
        return { locale: found.locale, calendar: "gregory", numberingSystem: "latn", timeZone: zone };
      }
    }

    class NumberFormat {
      #format;

      constructor(locales = undefined, options = undefined) {
        this.#format = numberFormat(locales, options);
      }

      get format() {
        const format = this.#format;
        return (number) => formatNumber(format, typeof number === "bigint" ? number : Number(number));
      }

      formatToParts() {
        throw host.notSupported("Intl.NumberFormat.prototype.formatToParts");
      }
    }

    const callable = (Class) => {
      const construct = function (...args) {
        return new.target === undefined ? new Class(...args) : values.ReflectConstruct(Class, args, new.target);
      };
      construct.prototype = Class.prototype;
      values.ObjectDefineProperty(construct, "name", { __proto__: null, value: Class.name, configurable: true });
      values.ObjectDefineProperty(Class.prototype, "constructor", {
        __proto__: null,
        value: construct,
        writable: true,
        configurable: true,
      });
      return construct;
    };
    const all = { DateTimeFormat: callable(DateTimeFormat), NumberFormat: callable(NumberFormat) };
    for (let at = 0; at < MISSING.length; at++) {
      all[MISSING[at]] = function () {
        throw host.notSupported(`Intl.${MISSING[at]}`);
      };
    }
    const Intl = {};
    const names = ObjectKeys(all);
    for (let at = 0; at < names.length; at++) {
      const value = all[names[at]];
      values.ObjectDefineProperty(Intl, names[at], { __proto__: null, value, writable: true, configurable: true });
    }
    values.ObjectDefineProperty(Intl, values.SymbolToStringTag, { __proto__: null, value: "Intl", configurable: true });
    intlObject = Intl;
    return Intl;
  }

  let intlObject;
  return {
    date: (date, { 0: locales, 1: options }, required, defaults) =>
      formatDate(dateFormat(locales, options, required, defaults), date),
    number: (number, { 0: locales, 1: options }) => formatNumber(numberFormat(locales, options), numberOf(number)),
    bigint: (number, { 0: locales, 1: options }) => formatNumber(numberFormat(locales, options), bigintOf(number)),
    compare,
    upper: (text, args) => changeCase(upper, text, args),
    lower: (text, args) => changeCase(lower, text, args),
    intl: () => intlObject ?? intl(),
  };
}
