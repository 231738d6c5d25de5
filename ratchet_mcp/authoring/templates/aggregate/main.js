function main(input) {
  const { rows, by, sum } = input;
  const groups = new Map();
  for (const row of rows) {
    const key = String(row[by] ?? "");
    const group = groups.get(key) ?? { key, count: 0, sum: 0 };
    const value = Number(row[sum]);
    if (!Number.isFinite(value)) {
      throw new DataError(`${sum} of row ${JSON.stringify(row).slice(0, 80)} is not a number`, { row });
    }
    group.count += 1;
    group.sum += value;
    groups.set(key, group);
  }
  return { groups: [...groups.values()].sort((a, b) => b.sum - a.sum) };
}
