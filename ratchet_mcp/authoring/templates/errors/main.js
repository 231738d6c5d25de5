const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function retry(work, attempts) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const again = error instanceof RateLimitError || error instanceof ServiceUnavailableError;
      if (!again || attempt >= attempts) throw error;
      await pause(10 * 2 ** attempt);
    }
  }
}

// Put your own work here. Throw typed errors: callers see their name, message and data.
async function process(item, attempt) {
  if (item.busy_until && attempt < item.busy_until) throw new ServiceUnavailableError("try again");
  if (item.value < 0) throw new ValidationError("value must not be negative", { value: item.value });
  return Math.sqrt(item.value);
}

async function main(input) {
  const { items, attempts = 3 } = input;
  const settled = await Promise.allSettled(items.map((item) => retry((attempt) => process(item, attempt), attempts)));
  const results = settled.map((one, index) =>
    one.status === "fulfilled" ? { index, ok: true, value: one.value } : { index, ok: false, error: `${one.reason.name}: ${one.reason.message}` },
  );
  return { results, failed: results.filter((result) => !result.ok).length };
}
