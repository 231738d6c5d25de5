// Reference rates of the European Central Bank, from Frankfurter. Form: a default export that is async.

const SERVICE = "https://api.frankfurter.dev/v1";

export default async function (input) {
  const { base = "EUR", symbols, amount = 1, date, from, to } = input;
  checkPeriod(input);
  const others = symbols?.filter((symbol) => symbol !== base);
  if (others?.length === 0) throw new ValidationError(`symbols has nothing but the base ${base}`, { field: "symbols" });
  const period = from !== undefined;
  const found = await ask(period ? `${from}..${to ?? ""}` : (date ?? "latest"), base, others);
  return period ? seriesOf(found, base, amount) : { base, amount, date: found.date, rates: ratesOf(found.rates, amount) };
}

function checkPeriod({ date, from, to }) {
  if (date !== undefined && from !== undefined) throw new ValidationError("Give a date, or a period with from and to, but not both", { field: "date" });
  if (to !== undefined && from === undefined) throw new ValidationError("A period needs from as well as to", { field: "from" });
  if (to !== undefined && to < from) throw new ValidationError(`The period ends on ${to}, before it begins on ${from}`, { field: "to" });
}

async function ask(when, base, symbols) {
  const url = new URL(`${SERVICE}/${when}`);
  url.searchParams.set("base", base);
  if (symbols !== undefined) url.searchParams.set("symbols", symbols.join());
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (response.ok) return response.json();
  const { message } = await response.json().catch(() => ({}));
  if (response.status === 404 || response.status === 422) {
    const asked = symbols === undefined ? base : `${base} in ${symbols.join(", ")}`;
    throw new DataError(`There are no rates of ${asked} for ${when} (${message ?? response.status}). Currencies have three letters, as in USD; days begin with 1999-01-04`, {
      status: response.status,
    });
  }
  if (response.status === 429) throw new RateLimitError("The service has had enough requests for now; try again later", { host: url.host });
  throw new HttpError(`The service of rates answered ${response.status}`, { status: response.status });
}

function ratesOf(rates, amount) {
  return Object.entries(rates).map(([currency, rate]) => ({ currency, rate, amount: rounded(rate * amount) }));
}

/** The rates of each day, and what became of each currency. */
function seriesOf({ rates }, base, amount) {
  const days = Object.keys(rates).sort();
  if (days.length === 0) throw new DataError("There are no rates in this period; there are none on weekends and holidays", { field: "from" });
  const values = new Map();
  for (const day of days) {
    for (const [currency, rate] of Object.entries(rates[day])) values.set(currency, [...(values.get(currency) ?? []), rate]);
  }
  const changes = [...values].map(([currency, list]) => ({
    currency,
    first: list[0],
    last: list.at(-1),
    min: Math.min(...list),
    max: Math.max(...list),
    mean: rounded(list.reduce((sum, rate) => sum + rate, 0) / list.length),
    change_percent: Math.round((10000 * (list.at(-1) - list[0])) / list[0]) / 100,
  }));
  return {
    base,
    amount,
    date: days.at(-1),
    rates: ratesOf(rates[days.at(-1)], amount),
    series: days.map((day) => ({ date: day, rates: rates[day] })),
    changes,
  };
}

/** Twelve digits are more than any rate has, and fewer than floating point gets wrong. */
function rounded(value) {
  return Number(value.toPrecision(12));
}
