// Reads CSV as RFC 4180 describes it and as spreadsheets really write it. Form: function main, with a trailing main.

const DELIMITERS = [",", ";", "\t", "|"];
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/;
const DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;
const MAX_WARNINGS = 50;

function main(input) {
  const { header = true, infer_types: inferTypes = true, trim = false, null_values: nullValues = [""], comment, max_rows: maxRows = Infinity } = input;
  const text = input.csv.startsWith("\uFEFF") ? input.csv.slice(1) : input.csv;
  const delimiter = input.delimiter ?? detectDelimiter(text, comment);
  if (input.delimiter === undefined) console.info(`delimiter detected: ${JSON.stringify(delimiter)}`);

  const warnings = [];
  const warn = (line, message) => void (warnings.length < MAX_WARNINGS && warnings.push({ line, message }));
  const records = [...readRecords(text, { delimiter, comment, trim, limit: maxRows + (header === true ? 1 : 0), warn })];
  const names = columnNames(header, records, warn);
  reportProgress(0.5, "parse", `${records.length} rows read`);

  const width = names.length;
  for (const { line, fields } of records) {
    if (fields.length < width) warn(line, `${fields.length} fields instead of ${width}: the missing ones are null`);
    if (fields.length > width) warn(line, `${fields.length} fields instead of ${width}: the others are in "_extra"`);
  }
  const nulls = new Set(nullValues);
  const columns = names.map((name, index) => ({ name, type: inferTypes ? columnType(records, index, nulls, input.decimal_comma) : "string" }));
  const converters = columns.map(({ type }) => converter(type, input.decimal_comma));
  const rows = records.map(({ fields }) => {
    // Object.fromEntries defines plain properties, also for a column that is named "__proto__".
    const row = Object.fromEntries(names.map((name, index) => {
      const field = fields[index];
      return [name, field === undefined || nulls.has(field) ? null : converters[index](field)];
    }));
    if (fields.length > width) row._extra = fields.slice(width);
    return row;
  });
  reportProgress(1, "convert", `${rows.length} rows, ${columns.length} columns`);
  return { rows, columns, row_count: rows.length, delimiter, warnings };
}

/** Yields `{line, fields}` of each record that is not empty and not a comment. */
function* readRecords(text, { delimiter, comment, trim, limit, warn }) {
  const special = new RegExp(`[\\r\\n"${delimiter === "\t" ? "\\t" : `\\${delimiter}`}]`, "g");
  const clean = (field) => (trim ? field.trim() : field);
  let position = 0;
  let line = 1;
  for (let count = 0; position < text.length && count < limit; ) {
    const firstLine = line;
    const isComment = comment !== undefined && text.startsWith(comment, position);
    const fields = isComment ? skipLine() : readRecord();
    if (!isComment && !(fields.length === 1 && fields[0].trim() === "")) {
      count += 1;
      yield { line: firstLine, fields };
    }
  }

  function skipLine() {
    const ending = /\r\n|\r|\n/g;
    ending.lastIndex = position;
    const match = ending.exec(text);
    position = match ? ending.lastIndex : text.length;
    line += 1;
    return [];
  }

  function readRecord() {
    const fields = [];
    for (;;) {
      fields.push(readField());
      const next = text[position];
      if (next === delimiter) {
        position += 1;
        continue;
      }
      if (next === "\r" && text[position + 1] === "\n") position += 1;
      position += 1;
      line += 1;
      return fields;
    }
  }

  /** Leaves `position` at the delimiter, the line break or the end that follows the field. */
  function readField() {
    const opening = trim ? position + text.slice(position, position + 100).match(/^ */)[0].length : position;
    if (text[opening] === '"') return readQuoted(opening + 1);
    special.lastIndex = position;
    let match = special.exec(text);
    while (match && match[0] === '"') match = special.exec(text); // a quote in the middle of a field is just a quote
    const end = match ? match.index : text.length;
    const field = text.slice(position, end);
    position = end;
    return clean(field);
  }

  function readQuoted(start) {
    const openedAt = line;
    let field = "";
    for (let from = start; ; ) {
      const quote = text.indexOf('"', from);
      if (quote === -1) throw new DataError(`The quoted field that starts on line ${openedAt} is never closed`, { line: openedAt });
      field += text.slice(from, quote);
      if (text[quote + 1] === '"') {
        field += '"';
        from = quote + 2;
        continue;
      }
      position = quote + 1;
      line += field.match(/\r\n|\r|\n/g)?.length ?? 0;
      break;
    }
    special.lastIndex = position;
    let match = special.exec(text);
    while (match && match[0] === '"') match = special.exec(text);
    const end = match ? match.index : text.length;
    const rest = text.slice(position, end);
    if (rest.trim() !== "") warn(line, `text after a closing quote: ${JSON.stringify(rest.slice(0, 40))}`);
    position = end;
    return rest.trim() === "" ? field : field + rest;
  }
}

/** Takes the delimiter that cuts the first records into the same number (more than one) of fields most often. */
function detectDelimiter(text, comment) {
  let best = { delimiter: ",", share: 0, width: 1 };
  for (const delimiter of DELIMITERS) {
    const widths = new Map();
    let total = 0;
    try {
      for (const { fields } of readRecords(text, { delimiter, comment, trim: false, limit: 50, warn() {} })) {
        widths.set(fields.length, (widths.get(fields.length) ?? 0) + 1);
        total += 1;
      }
    } catch {
      continue; // a quote that never ends: the real reading reports it
    }
    const [width, times] = [...widths].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [1, 0];
    const share = times / total;
    if (width > 1 && (share > best.share || (share === best.share && width > best.width))) best = { delimiter, share, width };
  }
  return best.delimiter;
}

/** Takes the names from the caller, from the first record, or numbers them; repeated names get a suffix. */
function columnNames(header, records, warn) {
  const given = Array.isArray(header) ? header : header ? (records.shift()?.fields ?? []) : [];
  const width = header === false ? records.reduce((most, { fields }) => Math.max(most, fields.length), 0) : given.length;
  const seen = new Set();
  const repeats = new Map();
  return Array.from({ length: width }, (_, index) => {
    const base = given[index]?.trim() || `column_${index + 1}`;
    let name = base;
    for (let number = repeats.get(base) ?? 2; seen.has(name); number += 1) {
      name = `${base}_${number}`;
      repeats.set(base, number + 1);
    }
    if (name !== base) warn(1, `column ${index + 1} repeats the name ${JSON.stringify(base)}: it is called ${JSON.stringify(name)}`);
    seen.add(name);
    return name;
  });
}

/** A type holds for a column when it holds for each of its values. "007" and integers beyond 2^53 stay text: nothing is lost. */
function columnType(records, index, nulls, decimalComma) {
  let candidates = ["integer", "number", "boolean", "date"];
  let empty = true;
  for (const { fields } of records) {
    const field = fields[index];
    if (field === undefined || nulls.has(field)) continue;
    empty = false;
    candidates = candidates.filter((type) => fits(field.trim(), type, decimalComma));
    if (candidates.length === 0) return "string";
  }
  return empty ? "empty" : candidates[0];
}

function fits(field, type, decimalComma) {
  if (type === "integer") return INTEGER.test(field) && Number.isSafeInteger(Number(field));
  if (type === "number") {
    const plain = decimalComma ? field.replace(",", ".") : field;
    return NUMBER.test(plain) && Number.isFinite(Number(plain)) && !(INTEGER.test(plain) && !Number.isSafeInteger(Number(plain)));
  }
  if (type === "boolean") return /^(?:true|false)$/i.test(field);
  return DATE.test(field);
}

function converter(type, decimalComma) {
  if (type === "integer") return Number;
  if (type === "number") return (field) => Number(decimalComma ? field.trim().replace(",", ".") : field);
  if (type === "boolean") return (field) => field.trim().toLowerCase() === "true";
  return (field) => field;
}

main;
