// Sends JSON to a webhook, again if that is safe, and tells what the receiver said. Form: async function main.

const PASSING = [408, 425, 429, 500, 502, 503, 504];
const PASSING_FAILURES = ["dns", "refused", "unreachable", "reset", "closed", "connect"];
const FIRST_PAUSE = 200; // milliseconds; doubles
const LONGEST_PAUSE = 10_000;
const SHOWN = 2000;

async function main(input, context) {
  const { url, payload, method = "POST", headers: given = {}, authorization = "none", idempotency_key: key, retries = 2 } = input;
  const headers = new Headers(given);
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  if (key !== undefined) headers.set("idempotency-key", key);
  if (authorization !== "none" && headers.has("authorization")) {
    throw new ValidationError('headers has an Authorization already; leave it out, or set authorization to "none"', { field: "authorization" });
  }
  // A handle: the coordinator puts the token in its place, and only for hosts that it is bound to.
  if (authorization === "bearer") headers.set("authorization", `Bearer ${context.secrets.WEBHOOK_TOKEN}`);

  // Without a key, or with a method that may be repeated, a second try could deliver twice.
  const most = key !== undefined || method === "PUT" ? retries + 1 : 1;
  const body = JSON.stringify(payload);
  for (let attempt = 1; ; attempt += 1) {
    const { response, error } = await send(attempt);
    if (response?.ok) return await reportOf(response, attempt);
    const passing = error === undefined ? PASSING.includes(response.status) : mayPass(error);
    if (!passing || attempt >= most) throw error ?? (await failureOf(response, attempt));
    console.warn(`attempt ${attempt} of ${most}: ${error === undefined ? `status ${response.status}` : error.message}`);
    const asked = Number(response?.headers.get("retry-after")) * 1000 || 0;
    const pause = Math.max(asked, FIRST_PAUSE * 2 ** (attempt - 1));
    if (pause > LONGEST_PAUSE) throw await failureOf(response, attempt);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }

  async function send(attempt) {
    try {
      reportProgress((attempt - 1) / most, "send", `${method} ${new URL(url).host}, attempt ${attempt}`);
      return { response: await fetch(url, { method, headers, body, redirect: "error", retry: false }) };
    } catch (error) {
      return { error };
    }
  }
}

/** A broken connection may be whole the next time; a redirect or a certificate that is refused stays refused. */
function mayPass(error) {
  return error instanceof TimeoutError || (error instanceof NetworkError && PASSING_FAILURES.includes(error.data?.reason));
}

async function reportOf(response, attempts) {
  const { value, truncated } = await answerOf(response);
  return { delivered: true, status: response.status, attempts, response: value, truncated };
}

/** JSON as it is when it is short; everything else as text that may be cut. */
async function answerOf(response) {
  const text = await response.text();
  if (text.length <= SHOWN && /[/+]json\b/i.test(response.headers.get("content-type") ?? "")) {
    try {
      return { value: JSON.parse(text), truncated: false };
    } catch {
      console.warn("the answer claims to be JSON, and is not");
    }
  }
  return { value: text === "" ? null : text.slice(0, SHOWN), truncated: text.length > SHOWN };
}

async function failureOf(response, attempts) {
  const { status } = response;
  const { value } = await answerOf(response);
  const said = value === null ? "" : `: ${(typeof value === "string" ? value : JSON.stringify(value)).slice(0, 200)}`;
  const data = { status, attempts, response: value };
  if (status === 401) return new AuthenticationError(`The receiver does not know the sender (401)${said}`, data);
  if (status === 403) return new AuthorizationError(`The receiver refuses this sender (403)${said}`, data);
  if (status === 429) return new RateLimitError(`The receiver has had enough requests for now (429)${said}`, data);
  return new HttpError(`The receiver answered with the status ${status} after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}${said}`, data);
}
