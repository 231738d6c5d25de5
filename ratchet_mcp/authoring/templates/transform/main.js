// Turns each record into another one. Change `reshape` to compute what you need.
function reshape(record, fields) {
  const result = {};
  for (const [to, from] of Object.entries(fields)) {
    result[to] = record[from] ?? null;
  }
  return result;
}

function main(input) {
  const { records, fields } = input;
  return { records: records.map((record) => reshape(record, fields)), count: records.length };
}
