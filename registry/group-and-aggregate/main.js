// Groups rows and aggregates their fields, like SELECT … GROUP BY. Form: an arrow function.
(input) => {
  const { rows, group_by: groupBy = [], aggregates = [{ op: "count" }], where = [], sort = [], limit } = input;
  const columns = aggregates.map(({ op, field, as }) => ({ op, field, name: as ?? (field === undefined ? op : `${op}_${field}`) }));
  checkNames();

  const groups = new Map();
  let used = 0;
  for (const [index, row] of rows.entries()) {
    if (!where.every((condition) => holds(condition, row))) continue;
    used += 1;
    const keys = groupBy.map((field) => valueAt(row, field) ?? null);
    const id = JSON.stringify(keys);
    if (!groups.has(id)) groups.set(id, { keys, values: columns.map(() => []), size: 0 });
    const group = groups.get(id);
    group.size += 1;
    columns.forEach(({ op, field }, column) => {
      const value = field === undefined ? null : valueAt(row, field);
      if (value === undefined || value === null) return; // as in SQL, what is missing is left out
      if (!accepted(op).includes(typeof value)) throw notAccepted(op, field, index, value);
      group.values[column].push(value);
    });
  }
  if (groupBy.length === 0 && groups.size === 0) groups.set("[]", { keys: [], values: columns.map(() => []), size: 0 });

  const result = [...groups.values()].map(({ keys, values, size }) =>
    Object.fromEntries([
      ...groupBy.map((field, index) => [field, keys[index]]),
      ...columns.map(({ name, op, field }, index) => [name, aggregated(op, field, values[index], size)]),
    ]),
  );
  if (sort.length > 0) result.sort(inOrder);
  return { groups: limit === undefined ? result : result.slice(0, limit), group_count: result.length, rows_read: rows.length, rows_used: used };

  function checkNames() {
    const names = [...groupBy, ...columns.map(({ name }) => name)];
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new ValidationError(`Two columns of the result are called ${JSON.stringify(twice)}: give one another name with "as"`, { name: twice });
    }
    const unknown = sort.find(({ by }) => !names.includes(by));
    if (unknown !== undefined) {
      throw new ValidationError(`Cannot sort by ${JSON.stringify(unknown.by)}: the result has ${names.join(", ")}`, { by: unknown.by });
    }
  }

  /** A field of that very name wins; otherwise dots lead into nested objects. */
  function valueAt(row, field) {
    if (Object.hasOwn(row, field)) return row[field];
    let value = row;
    for (const part of field.split(".")) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
      value = value[part];
    }
    return value;
  }

  function holds({ field, op, value }, row) {
    const actual = valueAt(row, field) ?? null;
    switch (op) {
      case "eq":
        return isSame(actual, value);
      case "ne":
        return !isSame(actual, value);
      case "in":
        return value.some((item) => isSame(actual, item));
      case "contains":
        return Array.isArray(actual) ? actual.some((item) => isSame(item, value)) : typeof actual === "string" && actual.includes(value);
      case "exists":
        return (actual !== null) === value;
    }
    // An order exists among numbers and among texts; anything else is not in the range.
    if (typeof actual !== typeof value || !["number", "string"].includes(typeof actual)) return false;
    return { lt: actual < value, le: actual <= value, gt: actual > value, ge: actual >= value }[op];
  }

  function isSame(a, b) {
    return a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
  }

  function accepted(op) {
    if (["sum", "avg", "median"].includes(op)) return ["number"];
    return ["min", "max"].includes(op) ? ["number", "string"] : ["number", "string", "boolean", "object"];
  }

  function notAccepted(op, field, index, value) {
    const found = `${op} cannot use ${JSON.stringify(value).slice(0, 60)}, which row ${index} has in ${JSON.stringify(field)}.`;
    return new DataError(`${found} Convert the field first, or leave such rows out with "where".`, { op, field, row: index });
  }

  function aggregated(op, field, values, size) {
    switch (op) {
      case "count":
        return field === undefined ? size : values.length;
      case "count_distinct":
        return new Set(values.map((value) => JSON.stringify(value))).size;
      case "sum":
        return finite(sum(values), op, field);
      case "avg":
        return values.length === 0 ? null : finite(sum(values) / values.length, op, field);
      case "median":
        return median(values);
      case "min":
      case "max":
        return extreme(op, field, values);
      case "first":
        return values[0] ?? null;
      case "last":
        return values.at(-1) ?? null;
    }
    // list: different values in order of appearance
    return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
  }

  function finite(value, op, field) {
    if (Number.isFinite(value)) return value;
    throw new DataError(`The ${op} of ${JSON.stringify(field)} is beyond the range of numbers`, { op, field });
  }

  /** Adds in decimal, so that 0.1 + 0.2 is 0.3. Numbers of very different size are added in floating point, with compensation. */
  function sum(values) {
    const parts = values.map(decimal);
    const exponent = parts.reduce((least, part) => Math.min(least, part.exponent), 0);
    if (parts.every((part) => part.exponent - exponent <= 60)) {
      let total = 0n;
      for (const part of parts) total += BigInt(part.digits) * 10n ** BigInt(part.exponent - exponent);
      return Number(`${total}e${exponent}`);
    }
    let [total, lost] = [0, 0];
    for (const value of values) {
      const next = total + value;
      lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
      total = next;
    }
    return total + lost;
  }

  /** 12.5 is `{digits: "125", exponent: -1}`: the shortest decimal that stands for the number. */
  function decimal(value) {
    const [mantissa, exponent = "0"] = String(value).split("e");
    const [whole, fraction = ""] = mantissa.split(".");
    return { digits: whole + fraction, exponent: Number(exponent) - fraction.length };
  }

  function median(values) {
    if (values.length === 0) return null;
    const sorted = Float64Array.from(values).sort();
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : sum([sorted[middle - 1] / 2, sorted[middle] / 2]);
  }

  function extreme(op, field, values) {
    if (values.length === 0) return null;
    const kind = typeof values[0];
    const other = values.find((value) => typeof value !== kind);
    if (other !== undefined) throw new DataError(`${op} cannot compare numbers with texts in ${JSON.stringify(field)}`, { op, field });
    return values.reduce((best, value) => ((op === "min" ? value < best : value > best) ? value : best));
  }

  function inOrder(a, b) {
    for (const { by, descending = false } of sort) {
      const difference = compareValues(a[by], b[by], descending);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Numbers before texts before anything else; missing values are last in both directions. */
  function compareValues(a, b, descending) {
    if (a === null || b === null) return (a === null) - (b === null);
    const rank = (value) => ({ number: 0, string: 1 })[typeof value] ?? 2;
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    const [left, right] = rank(a) === 2 ? [JSON.stringify(a), JSON.stringify(b)] : [a, b];
    const difference = left < right ? -1 : left > right ? 1 : 0;
    return descending ? -difference : difference;
  }
};
