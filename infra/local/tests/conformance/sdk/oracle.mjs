// What a query means, written a second time: the answers of lists are compared with it.

/** The values that a path leads to; arrays on the way stand for their elements. */
function values(item, field) {
  let found = [item];
  for (const part of field.split('.')) {
    found = found.flatMap((value) => {
      if (Array.isArray(value)) {
        return /^\d+$/.test(part) ? value.slice(Number(part), Number(part) + 1) : value.map((element) => element?.[part]);
      }
      return [value?.[part]];
    });
  }
  return found.filter((value) => value !== undefined);
}

const flat = (found) => found.flatMap((value) => (Array.isArray(value) ? value : [value]));

/** Compares a value with the text of a query: a date by its time, a number as a number, a text as a text. */
function compare(value, text) {
  if (value instanceof Date) {
    return value.getTime() - new Date(/^\d+$/.test(text) ? Number(text) : text).getTime();
  }
  if (typeof value === 'number') {
    return value - Number(text);
  }
  if (typeof value === 'boolean') {
    return String(value) === text ? 0 : NaN;
  }
  if (typeof value !== 'string') {
    return NaN;
  }
  return value === text ? 0 : (value < text ? -1 : 1);
}

const some = (field, test) => (item) => flat(values(item, field)).some(test);

export const eq = (field, text) => some(field, (value) => compare(value, text) === 0);
export const ne = (field, text) => (item) => !eq(field, text)(item);
export const gt = (field, text) => some(field, (value) => compare(value, text) > 0);
export const ge = (field, text) => some(field, (value) => compare(value, text) >= 0);
export const lt = (field, text) => some(field, (value) => compare(value, text) < 0);
export const le = (field, text) => some(field, (value) => compare(value, text) <= 0);
export const like = (field, text) => some(field, (value) => typeof value === 'string' && value.includes(text));
export const isIn = (field, texts) => some(field, (value) => texts.some((text) => compare(value, text) === 0));
export const out = (field, texts) => (item) => !isIn(field, texts)(item);
export const and = (...tests) => (item) => tests.every((test) => test(item));
export const or = (...tests) => (item) => tests.some((test) => test(item));
export const contains = (field, ...tests) => (tests.length === 0
  ? (item) => values(item, field).length > 0
  : some(field, and(...tests)));
export const excludes = (field, ...tests) => (item) => !contains(field, ...tests)(item);

/** Sorts by fields such as `-name`; nothing comes before everything. */
export function sorted(items, ...fields) {
  return [...items].sort((one, other) => {
    for (const signed of fields) {
      const sign = signed.startsWith('-') ? -1 : 1;
      const [left, right] = [one, other].map((item) => values(item, signed.replace(/^[+-]/, ''))[0]);
      if (left === undefined || right === undefined) {
        if (left !== right) {
          return sign * (left === undefined ? -1 : 1);
        }
      } else if (left < right || left > right) {
        return sign * (left < right ? -1 : 1);
      }
    }
    return 0;
  });
}
