// Reads a web server's log and hands the numbers on to bundled tasks. Form: an async arrow function.
async ({ log, slowest = 3 }) => {
  const LINE = /^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) (\S+)[^"]*" (\d{3}) (\d+|-)(?: "[^"]*" "[^"]*"(?: (\d+\.\d+))?)?/;

  const requests = [];
  let unreadable = 0;
  for (const line of log.split("\n")) {
    const match = LINE.exec(line);
    if (match) {
      const [, client, , method, path, status, bytes, seconds] = match;
      requests.push({ client, method, path: path.split("?")[0], status: Number(status), bytes: Number(bytes) || 0, seconds: seconds ? Number(seconds) : null });
    } else if (line.trim() !== "") {
      unreadable += 1;
    }
  }
  if (unreadable > 0) console.warn(`${unreadable} lines are not in the combined log format`);

  // Two runs of other tasks at once; both are recorded as children of this run.
  const [byStatus, times] = await Promise.all([
    tasks.call("group-and-aggregate", { rows: requests, group_by: ["status"], aggregates: [{ op: "count", as: "requests" }], sort: [{ by: "status" }] }),
    tasks.call("describe-numbers", { values: requests.map(({ seconds }) => seconds), quantiles: [0.95], bins: 0 }),
  ]);
  return {
    requests: requests.length,
    unreadable,
    clients: new Set(requests.map(({ client }) => client)).size,
    by_status: byStatus.groups,
    median_seconds: times.median,
    p95_seconds: times.quantiles[0].value,
    slowest: requests
      .filter(({ seconds }) => seconds !== null)
      .sort((a, b) => b.seconds - a.seconds)
      .slice(0, slowest)
      .map(({ method, path, seconds }) => ({ method, path, seconds })),
  };
};
