// tasks.call runs another task in its own sandbox; a failure of it arrives here as an exception.
async function main(input) {
  const { csv, column } = input;
  const table = await tasks.call("csv-to-json", { csv });
  const values = table.rows.map((row) => row[column]).filter((value) => typeof value === "number");
  if (values.length === 0) {
    throw new DataError(`The column ${column} holds no numbers`, { columns: Object.keys(table.rows[0] ?? {}) });
  }
  const statistics = await tasks.call("describe-numbers", { values });
  return { rows: table.rows.length, column, statistics };
}
