// Describes a table: calls csv-to-json, then describe-numbers for each column of numbers. Form: async function main.

const MAX_COLUMNS = 200;

async function main(input, context) {
  const { csv, top = 5, sample_rows: sampleRows = 3, ...options } = input;
  reportProgress(0, "read", "reading the CSV");
  const table = await tasks.call("csv-to-json", { csv, ...options });
  if (table.columns.length > MAX_COLUMNS) {
    throw new DataError(`The table has ${table.columns.length} columns; at most ${MAX_COLUMNS} are summarised`, { columns: table.columns.length });
  }
  console.info(`${table.row_count} rows, ${table.columns.length} columns, execution ${context.executionId}`);

  let done = 0;
  const describe = async (column) => {
    const summary = await summarize(column, table.rows, top);
    done += 1;
    reportProgress(done / table.columns.length, "describe", `column ${column.name}`, { columns_done: done });
    return summary;
  };
  // A few at a time: each column of numbers is a run of its own.
  const columns = [];
  for (let start = 0; start < table.columns.length; start += 4) {
    columns.push(...(await Promise.all(table.columns.slice(start, start + 4).map(describe))));
  }
  return {
    row_count: table.row_count,
    column_count: columns.length,
    delimiter: table.delimiter,
    columns,
    sample: table.rows.slice(0, sampleRows),
    warnings: table.warnings,
  };
}

async function summarize({ name, type }, rows, top) {
  const counts = new Map();
  let missing = 0;
  for (const row of rows) {
    const value = row[name];
    if (value === null) missing += 1;
    else counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const summary = { name, type, missing, distinct: counts.size, is_unique: counts.size > 0 && counts.size === rows.length };
  if (type === "integer" || type === "number") {
    const values = rows.map((row) => row[name]);
    return { ...summary, numbers: pick(await tasks.call("describe-numbers", { values, quantiles: [], bins: 0 })) };
  }
  if (type === "date") {
    const dates = [...counts.keys()].sort();
    return { ...summary, earliest: dates[0], latest: dates.at(-1) };
  }
  return { ...summary, top_values: mostFrequent(counts, top) };
}

function pick({ sum, min, max, mean, median, standard_deviation, q1, q3, outliers }) {
  return { sum, min, max, mean, median, standard_deviation, q1, q3, outlier_count: outliers.length };
}

function mostFrequent(counts, top) {
  return [...counts]
    .sort(([a, m], [b, n]) => n - m || (String(a) < String(b) ? -1 : 1))
    .slice(0, top)
    .map(([value, count]) => ({ value, count }));
}
