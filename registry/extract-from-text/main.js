// Finds what can be recognised by its shape: addresses, dates, amounts, … Form: function main.
//
// Detectors run in a fixed order and claim the characters they recognise, so that the "12" of "2024-12-01" is never
// reported as a number. Patterns start only at a boundary or look at a bounded window: the work stays linear in the text.

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH_NAMES =
  "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?";
const SYMBOLS = { "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "₿": "BTC" };
const MULTIPLIERS = { k: 3, K: 3, thousand: 3, m: 6, M: 6, mn: 6, million: 6, b: 9, B: 9, bn: 9, billion: 9, trillion: 12 };
const CODES = "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|SGD|HKD|TRY|ILS";

function main(input) {
  const { text, kinds, day_first: dayFirst, decimal_comma: decimalComma = false, unique = true, limit = 1000 } = input;
  const amount = decimalComma
    ? "\\d{1,3}(?:[. ’]\\d{3})+(?:,\\d+)?|\\d+(?:,\\d+)?"
    : "\\d{1,3}(?:[,’]\\d{3})+(?:\\.\\d+)?|\\d+(?:\\.\\d+)?|\\.\\d+";
  const toNumber = (text) => Number(decimalComma ? text.replace(/[. ’]/g, "").replace(",", ".") : text.replace(/[,’]/g, ""));

  const detectors = [
    ["url", findUrls],
    ["email", findEmails],
    ["date", (source) => findDates(source, dayFirst)],
    ["ip_address", findIpAddresses],
    ["money", (source) => findMoney(source, amount, toNumber)],
    ["phone_number", findPhoneNumbers],
    ["hashtag", (source) => findTags(source, "#")],
    ["mention", (source) => findTags(source, "@")],
    ["percentage", (source) => findNumbers(source, amount, toNumber, { decimalComma, percentages: true })],
    ["number", (source) => findNumbers(source, amount, toNumber, { decimalComma, percentages: false })],
  ];

  const claimed = new Uint8Array(text.length);
  const wanted = new Set(kinds ?? detectors.map(([kind]) => kind));
  const found = [];
  for (const [kind, detect] of detectors) {
    for (const item of detect(text)) {
      const end = item.start + item.text.length;
      if (isClaimed(claimed, item.start, end)) continue;
      claimed.fill(1, item.start, end);
      if (wanted.has(kind)) found.push({ kind, ...item });
    }
  }

  found.sort((a, b) => a.start - b.start);
  const kept = unique ? withoutRepeats(found) : found;
  const counts = Object.fromEntries(detectors.filter(([kind]) => wanted.has(kind)).map(([kind]) => [kind, 0]));
  for (const item of kept) counts[item.kind] += 1;
  return { items: inCodePoints(kept.slice(0, limit), text), counts, total: kept.length, truncated: kept.length > limit };
}

function isClaimed(claimed, start, end) {
  for (let index = start; index < end; index += 1) if (claimed[index]) return true;
  return false;
}

function withoutRepeats(items) {
  const seen = new Set();
  return items.filter((item) => {
    const key = JSON.stringify([item.kind, item.value ?? item.text, item.currency ?? null]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Positions count code points, so that they are right in every language, not UTF-16 units as JavaScript does. */
function inCodePoints(items, text) {
  let unit = 0;
  let point = 0;
  return items.map(({ start, ...item }) => {
    while (unit < start) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    return { ...item, start: point, end: point + [...item.text].length };
  });
}

function* findUrls(text) {
  for (const match of text.matchAll(/(?<![\p{L}\p{N}@])(?:(?:https?|ftp|wss?):\/\/|www\.(?=[\p{L}\p{N}]))[^\s<>"“”`{}|\\^]+/giu)) {
    const url = trimUrl(match[0]);
    if (/^(?:\w+:\/\/|www\.)[\p{L}\p{N}[]/iu.test(url)) {
      yield { start: match.index, text: url, value: /^www\./i.test(url) ? `https://${url}` : url };
    }
  }
}

/** Punctuation at the end belongs to the sentence; a closing bracket belongs to the URL when it was opened inside it. */
function trimUrl(url) {
  const pairs = { ")": "(", "]": "[" };
  const balance = { "(": 0, "[": 0 };
  for (const character of url) {
    if (character in balance) balance[character] += 1;
    else if (character in pairs) balance[pairs[character]] -= 1;
  }
  let end = url.length;
  for (; end > 0; end -= 1) {
    const last = url[end - 1];
    if (last in pairs && balance[pairs[last]] < 0) balance[pairs[last]] += 1;
    else if (!/[.,;:!?'’*_~]/.test(last)) break;
  }
  return url.slice(0, end);
}

function* findEmails(text) {
  for (let at = text.indexOf("@"); at !== -1; at = text.indexOf("@", at + 1)) {
    const local = text.slice(Math.max(0, at - 65), at).match(/[\p{L}\p{N}_%+'-]+(?:\.[\p{L}\p{N}_%+'-]+)*$/u)?.[0].replace(/^['-]+/, "");
    const domain = text.slice(at + 1, at + 254).match(/^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+\p{L}{2,63}(?![\p{L}\p{N}])/u)?.[0];
    if (local && local.length <= 64 && domain) {
      yield { start: at - local.length, text: `${local}@${domain}`, value: `${local}@${domain.toLowerCase()}` };
    }
  }
}

function* findDates(text, dayFirst) {
  const iso = /(?<![\p{L}\p{N}.-])(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?(?![\p{L}\p{N}]|-\d)/gu;
  for (const match of text.matchAll(iso)) {
    const date = isoDate(match[1], match[2], match[3]);
    if (date && (!match[4] || isTime(match[4]))) {
      yield { start: match.index, text: match[0], value: match[4] ? `${date}T${match[4]}${match[5] ?? ""}` : date };
    }
  }
  const dayMonthYear = new RegExp(`(?<![\\p{L}\\p{N}])(\\d{1,2})(?:st|nd|rd|th|\\.)?(?: of)?[ /-](${MONTH_NAMES})\\.?,?[ /-](\\d{4})(?!\\d)`, "giu");
  for (const match of text.matchAll(dayMonthYear)) {
    const date = isoDate(match[3], monthNumber(match[2]), match[1]);
    if (date) yield { start: match.index, text: match[0], value: date };
  }
  const monthDayYear = new RegExp(`(?<![\\p{L}\\p{N}])(${MONTH_NAMES})\\.? (\\d{1,2})(?:st|nd|rd|th)?,? (\\d{4})(?!\\d)`, "giu");
  for (const match of text.matchAll(monthDayYear)) {
    const date = isoDate(match[3], monthNumber(match[1]), match[2]);
    if (date) yield { start: match.index, text: match[0], value: date };
  }
  for (const match of text.matchAll(/(?<![\p{L}\p{N}./])(\d{1,2})([./])(\d{1,2})\2(\d{4})(?![\p{L}\p{N}]|[./]\d)/gu)) {
    const value = numericDate(Number(match[1]), Number(match[3]), match[4], match[2] === "." ? true : dayFirst);
    if (value !== undefined) yield { start: match.index, text: match[0], value };
  }
}

/** `3/4/2025` is two dates: null says so, unless the caller told the order or only one reading exists. */
function numericDate(first, second, year, dayFirst) {
  const asDayFirst = isoDate(year, second, first);
  const asMonthFirst = isoDate(year, first, second);
  if (dayFirst !== undefined) return (dayFirst ? asDayFirst : asMonthFirst) ?? undefined;
  if (asDayFirst && asMonthFirst && asDayFirst !== asMonthFirst) return null;
  return asDayFirst ?? asMonthFirst ?? undefined;
}

function monthNumber(name) {
  return MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;
}

/** Returns null when the calendar has no such day. */
function isoDate(year, month, day) {
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const leap = (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0;
  const length = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m - 1] ?? 0;
  return d >= 1 && d <= length ? `${String(y).padStart(4, "0")}-${String(m).padStart(2, "0")}-${String(d).padStart(2, "0")}` : null;
}

function isTime(time) {
  const [hours, minutes, seconds = "0"] = time.split(":");
  return Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 61;
}

function* findIpAddresses(text) {
  for (const match of text.matchAll(/(?<![\p{L}\p{N}.])\d{1,3}(?:\.\d{1,3}){3}(?![\p{L}\p{N}]|\.\d)/gu)) {
    if (match[0].split(".").every((part) => Number(part) < 256)) yield { start: match.index, text: match[0], value: match[0] };
  }
  for (const match of text.matchAll(/(?<![\p{L}\p{N}:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\p{L}\p{N}:])/giu)) {
    if (isIpv6(match[0])) yield { start: match.index, text: match[0], value: match[0].toLowerCase() };
  }
}

function isIpv6(address) {
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (groups.some((group) => group === "")) return false;
  return halves.length === 2 ? groups.length >= 1 && groups.length <= 7 : groups.length === 8;
}

function* findMoney(text, amount, toNumber) {
  const symbol = `([${Object.keys(SYMBOLS).join("")}])`;
  const number = `(${amount})(?!\\d)(?: ?(${Object.keys(MULTIPLIERS).join("|")})(?![\\p{L}\\p{N}]))?`;
  const read = (sign, digits, multiplier) => (sign ? -1 : 1) * Number(`${toNumber(digits)}e${MULTIPLIERS[multiplier] ?? 0}`);
  const before = new RegExp(`(?<![\\p{L}\\p{N}])([-−]?)(?:${symbol}|(${CODES})) ?${number}`, "gu");
  for (const [found, sign, mark, code, digits, multiplier] of matches(before)) {
    yield { ...found, value: read(sign, digits, multiplier), currency: code ?? SYMBOLS[mark] };
  }
  const after = new RegExp(`(?<![\\p{L}\\p{N}.,])([-−]?)${number} ?(?:${symbol}|(${CODES})(?!\\p{L}))`, "gu");
  for (const [found, sign, digits, multiplier, mark, code] of matches(after)) {
    yield { ...found, value: read(sign, digits, multiplier), currency: code ?? SYMBOLS[mark] };
  }

  function* matches(pattern) {
    for (const match of text.matchAll(pattern)) yield [{ start: match.index, text: match[0] }, ...match.slice(1)];
  }
}

/** International numbers, or national ones that are written in at least three groups. */
function* findPhoneNumbers(text) {
  const international = "\\+\\d{1,3}[ .-]?(?:\\(\\d{1,4}\\)[ .-]?)?\\d{1,5}(?:[ .-]?\\d{2,5}){1,5}";
  const national = "\\(\\d{2,5}\\)[ -]?\\d{3,4}[ -]?\\d{3,4}|\\d{3}[-. ]\\d{3}[-. ]\\d{4}";
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}.,+-])(?:${international}|${national})(?![\\p{L}\\p{N}])`, "gu");
  for (const match of text.matchAll(pattern)) {
    const digits = match[0].replace(/\D/g, "");
    if (digits.length >= 7 && digits.length <= 15) {
      yield { start: match.index, text: match[0], value: (match[0].startsWith("+") ? "+" : "") + digits };
    }
  }
}

function* findTags(text, mark) {
  for (const match of text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}_&/${mark}])${mark}([\\p{L}\\p{N}_]*[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*)`, "gu"))) {
    yield { start: match.index, text: match[0], value: match[1] };
  }
}

/** "1.2.3" is a version and "2nd" an ordinal; a unit may follow at once ("5kg"), but not a mixture of letters and digits. */
function* findNumbers(text, amount, toNumber, { decimalComma, percentages }) {
  const separator = decimalComma ? "[.,]" : "\\.";
  const before = `(?<![\\p{L}\\p{N}_]|\\p{N}${separator})`;
  const after = `(?!${separator}?\\d|_|(?:st|nd|rd|th)(?!\\p{L})|\\p{L}+\\p{N})`;
  const pattern = new RegExp(`${before}([-−+]?)(${amount})(e[+-]?\\d{1,3}(?![\\p{L}\\p{N}]))?( ?%)?${after}`, "giu");
  for (const match of text.matchAll(pattern)) {
    if (Boolean(match[4]) !== percentages) continue;
    const sign = match[1] === "-" || match[1] === "−" ? -1 : 1;
    const value = sign * Number(`${toNumber(match[2])}${match[3] ?? ""}`);
    if (Number.isFinite(value)) yield { start: match.index, text: match[0], value };
  }
}
