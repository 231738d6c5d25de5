// Fetches a page and turns it into readable text with the task html-to-text. Form: async function main.

const PAGE = /^(?:text\/html|application\/xhtml\+xml)$/;
const PLAIN = /^(?:text\/(?!html)[\w.+-]+|application\/(?:json|xml|javascript|yaml|x-yaml|x-ndjson|[\w.+-]+\+(?:json|xml|yaml)))$/;

async function main(input) {
  const { url, format = "markdown", max_characters: maxCharacters = 20000, main_only: mainOnly = false } = input;
  const response = await fetch(url, {
    headers: { Accept: "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.8, text/*;q=0.7", "Accept-Language": input.language ?? "*" },
  });
  if (!response.ok) throw failureOf(response, url);
  const bytes = await response.bytes();
  const header = response.headers.get("content-type") ?? "";
  const type = header.split(";", 1)[0].trim().toLowerCase() || (looksLikeHtml(bytes) ? "text/html" : "text/plain");
  const page = { url: response.url, status: response.status, content_type: type };

  if (PAGE.test(type)) {
    const { text: html, encoding } = decode(bytes, header, true);
    const converted = await tasks.call("html-to-text", { html: mainOnly ? mainPart(html) : html, format, max_characters: maxCharacters });
    const { title, ...described } = describe(html, response.url);
    const links = converted.links.map((link) => ({ text: link.text, url: absolute(link.href, described.base) })).filter((link) => link.url !== null);
    return {
      ...page,
      encoding,
      title: converted.title ?? title,
      description: described.description,
      language: described.language,
      text: converted.text,
      headings: converted.headings,
      links,
      truncated: converted.truncated,
    };
  }
  if (PLAIN.test(type)) {
    const { text, encoding } = decode(bytes, header, false);
    const short = text.length > maxCharacters ? text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "") : text;
    const nothing = { title: null, description: null, language: null, headings: [], links: [] };
    return { ...page, encoding, ...nothing, text: short, truncated: short.length < text.length };
  }
  throw new DataError(`${response.url} is ${type}, which has no text to read here`, { content_type: type });
}

function failureOf({ status, headers }, url) {
  if (status === 401) return new AuthenticationError(`${url} asks who you are (401)`, { status });
  if (status === 403) return new AuthorizationError(`${url} is not shown to programs, or not to everybody (403)`, { status });
  if (status === 429) return new RateLimitError(`The server has had enough requests for now (429)`, { status, retry_after: headers.get("retry-after") });
  return new HttpError(`${url} answered with the status ${status}`, { status });
}

// ------------------------------------------------------------------ bytes to text

/** The order of the HTML standard: a mark at the start, what the server says, what the page says, UTF-8. */
function decode(bytes, header, isPage) {
  const label = markOf(bytes) ?? charsetIn(header) ?? (isPage ? charsetOfPage(bytes) : undefined) ?? "utf-8";
  let decoder;
  try {
    decoder = new TextDecoder(label);
  } catch {
    throw new DataError(`The page is written in ${label}; only UTF-8, UTF-16 and Latin-1 can be read`, { encoding: label });
  }
  return { text: decoder.decode(bytes), encoding: decoder.encoding };
}

function markOf([a, b, c]) {
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  return a === 0xff && b === 0xfe ? "utf-16le" : undefined;
}

function charsetIn(text) {
  return /charset\s*=\s*["']?([\w:.-]+)/i.exec(text)?.[1];
}

function charsetOfPage(bytes) {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 2048));
  const label = /<meta\b[^>]*?charset\s*=\s*["']?\s*([\w:.-]+)/i.exec(start)?.[1];
  return label !== undefined && /^utf-16/i.test(label) ? "utf-8" : label; // who can read this as ASCII does not read UTF-16
}

function looksLikeHtml(bytes) {
  return /^\s*(?:<!doctype html|<html|<head|<body|<!--)/i.test(new TextDecoder("latin1").decode(bytes.subarray(0, 512)));
}

// ------------------------------------------------------------------ what the page says of itself

function describe(html, url) {
  const head = html.slice(0, 200_000);
  const metas = new Map();
  for (const [tag] of head.matchAll(/<meta\b[^>]{0,2000}>/gi)) {
    const name = (attribute(tag, "name") ?? attribute(tag, "property"))?.toLowerCase();
    const content = attribute(tag, "content");
    if (name !== undefined && content !== undefined && !metas.has(name)) metas.set(name, content.trim());
  }
  const base = /<base\b[^>]{0,2000}>/i.exec(head)?.[0];
  return {
    title: metas.get("og:title") ?? null,
    description: metas.get("description") ?? metas.get("og:description") ?? null,
    language: attribute(/<html\b[^>]{0,2000}>/i.exec(head)?.[0] ?? "", "lang") || null,
    base: absolute((base && attribute(base, "href")) ?? "", url) ?? url,
  };
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(tag);
  const value = found?.[1] ?? found?.[2] ?? found?.[3];
  return value?.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, entity) => ({ amp: "&", lt: "<", gt: ">", quot: '"' })[entity] ?? "'");
}

/** What is between the first <main> and the last </main>, or the same of <article>; the whole page when it has neither. */
function mainPart(html) {
  for (const name of ["main", "article"]) {
    const start = html.search(new RegExp(`<${name}[\\s>]`, "i"));
    const end = html.toLowerCase().lastIndexOf(`</${name}`);
    if (start !== -1 && end > start) return `<title>${titleOf(html)}</title>${html.slice(start, end)}`;
  }
  return html;
}

function titleOf(html) {
  return /<title[^>]*>([^<]*)/i.exec(html)?.[1] ?? "";
}

function absolute(address, base) {
  const found = URL.canParse(address, base) ? new URL(address, base) : null;
  return found !== null && /^https?:$/.test(found.protocol) ? found.href : null;
}
