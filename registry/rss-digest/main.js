// Reads RSS, Atom and JSON feeds at the same time and makes one list of what is new. Form: async function main.

const ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.5";
const MAX_DEPTH = 200;
const OLDEST = -8.64e15; // what has no date comes last

async function main(input) {
  const { feeds, since, keywords = [], max_items: maxItems = 20, summary_characters: summaryCharacters = 300 } = input;
  const after = since === undefined ? OLDEST : timeOf(since);
  if (after === null) throw new ValidationError(`since is no date: ${since}. Write it as 2026-01-31 or 2026-01-31T12:00:00Z`, { field: "since" });

  const read = await Promise.all(feeds.map(readFeed));
  const failed = read.filter(({ error }) => error !== undefined);
  if (failed.length === read.length) {
    throw new DataError(`No feed could be read. ${failed.map(({ url, error }) => `${url}: ${error}`).join("; ")}`.slice(0, 2000), { feeds: failed.length });
  }

  const words = keywords.map((word) => word.toLowerCase());
  const found = read
    .flatMap(({ items = [], title, url }) => items.map((item) => ({ ...item, url, feed: title ?? url })))
    .filter(({ time }) => since === undefined || (time !== null && time >= after))
    .filter(({ title, text }) => words.length === 0 || words.some((word) => `${title} ${text}`.toLowerCase().includes(word)))
    .filter(firstOfItsKind())
    .sort((a, b) => (b.time ?? OLDEST) - (a.time ?? OLDEST));
  return {
    items: found.slice(0, maxItems).map(({ title, link, time, author, text, feed }) => ({
      title,
      link,
      published: time === null ? null : new Date(time).toISOString(),
      author,
      feed,
      summary: cut(text, summaryCharacters),
    })),
    item_count: found.length,
    truncated: found.length > maxItems,
    feeds: read.map(({ url, kind = null, title = null, items = [], error = null }) => ({ url, kind, title, items: items.length, error })),
  };
}

/** Tells items that came before: by their id in one feed, by their link in several. */
function firstOfItsKind() {
  const ids = new Set();
  const feedOf = new Map();
  return ({ url, id, link }) => {
    const own = `${url} ${id ?? link}`;
    if (ids.has(own) || (link !== null && (feedOf.get(link) ?? url) !== url)) return false;
    ids.add(own);
    feedOf.set(link, url);
    return true;
  };
}

/** A feed that cannot be read does not keep the others from being read. */
async function readFeed(url) {
  try {
    const response = await fetch(url, { headers: { Accept: ACCEPT } });
    if (!response.ok) throw new HttpError(`the server answered ${response.status}`, response.status);
    const text = decode(await response.bytes(), response.headers.get("content-type") ?? "");
    const feed = /^\s*\{/.test(text) ? readJsonFeed(JSON.parse(text)) : readXmlFeed(parseXml(text));
    const items = feed.items.map((item) => ({ ...item, link: absolute(item.link, response.url) }));
    return { url, kind: feed.kind, title: feed.title, items };
  } catch (error) {
    console.warn(`${url}: ${error.message}`);
    return { url, error: error.message };
  }
}

function decode(bytes, header) {
  const [a, b] = bytes;
  const mark = a === 0xfe && b === 0xff ? "utf-16be" : a === 0xff && b === 0xfe ? "utf-16le" : undefined;
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
  const label = mark ?? /charset\s*=\s*["']?([\w:.-]+)/i.exec(header)?.[1] ?? /^\s*<\?xml[^>]*encoding\s*=\s*["']([\w:.-]+)/i.exec(start)?.[1] ?? "utf-8";
  return new TextDecoder(label).decode(bytes);
}

// ------------------------------------------------------------------ the three formats

function readJsonFeed({ version, title, items }) {
  if (!/^https:\/\/jsonfeed\.org\/version\//.test(version ?? "") || !Array.isArray(items)) throw new DataError("this JSON is no JSON Feed");
  return {
    kind: "json",
    title: title ?? null,
    items: items.map((item) => ({
      id: item.id === undefined ? null : String(item.id),
      title: tidy(item.title ?? ""),
      link: item.url ?? item.external_url ?? null,
      time: timeOf(item.date_published ?? item.date_modified),
      author: item.authors?.[0]?.name ?? item.author?.name ?? null,
      text: plain(item.summary ?? item.content_text ?? item.content_html ?? ""),
    })),
  };
}

function readXmlFeed(root) {
  const readers = { rss: readRss, rdf: readRss, feed: readAtom };
  const reader = Object.hasOwn(readers, root.name) ? readers[root.name] : null;
  if (reader === null) throw new DataError(`this is no feed, its root is <${root.name}>`);
  return reader(root);
}

function readRss(root) {
  const channel = child(root, "channel") ?? root;
  const items = [...children(channel, "item"), ...children(root, "item")]; // in RSS 1.0 they stand beside the channel
  return {
    kind: root.name,
    title: tidy(textOf(channel, "title")) || null,
    items: items.map((item) => ({
      id: textOf(item, "guid") || null,
      title: plain(textOf(item, "title")),
      link: textOf(item, "link") || (child(item, "guid")?.attributes.ispermalink === "false" ? null : textOf(item, "guid")) || null,
      time: timeOf(textOf(item, "pubdate") || textOf(item, "date")),
      author: tidy(textOf(item, "creator") || textOf(item, "author")) || null,
      text: plain(textOf(item, "description") || textOf(item, "encoded")),
    })),
  };
}

function readAtom(root) {
  const linkOf = (entry) => {
    const links = children(entry, "link");
    return (links.find(({ attributes: { rel = "alternate" } }) => rel === "alternate") ?? links[0])?.attributes.href ?? null;
  };
  return {
    kind: "atom",
    title: plain(textOf(root, "title")) || null,
    items: children(root, "entry").map((entry) => ({
      id: textOf(entry, "id") || null,
      title: plain(textOf(entry, "title")),
      link: linkOf(entry),
      time: timeOf(textOf(entry, "published") || textOf(entry, "updated")),
      author: tidy(textOf(child(entry, "author") ?? child(root, "author") ?? { children: [] }, "name")) || null,
      text: plain(textOf(entry, "summary") || textOf(entry, "content")),
    })),
  };
}

// ------------------------------------------------------------------ XML: elements, attributes, text; no DTD, no namespaces

/** Returns the root as `{name, attributes, children}`; names are in lower case and without prefix. */
function parseXml(text) {
  const top = { name: "", attributes: {}, children: [] };
  const open = [top];
  const token = /<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<\?[^]*?\?>|<!DOCTYPE(?:[^[>]|\[[^\]]*\])*>|<(\/?)([A-Za-z_][^\s/>]*)((?:[^<>"']|"[^"<]*"|'[^'<]*')*?)(\/?)>|([^<]+)|</g;
  for (const [whole, data, slash, name, rest, selfClosing, words] of text.matchAll(token)) {
    const inner = open.at(-1);
    if (data !== undefined) inner.children.push(data);
    else if (words !== undefined) inner.children.push(decodeEntities(words));
    else if (name !== undefined) take(slash === "/", nameOf(name), rest, selfClosing === "/");
    else if (whole === "<") inner.children.push("<");
  }
  const root = top.children.find((node) => typeof node === "object");
  if (root === undefined) throw new DataError("this is no XML");
  return root;

  function take(closes, name, rest, empty) {
    if (closes) {
      const index = open.findLastIndex((element) => element.name === name);
      if (index > 0) open.length = index;
      return;
    }
    const element = { name, attributes: attributesOf(rest), children: [] };
    open.at(-1).children.push(element);
    if (empty) return;
    if (open.length > MAX_DEPTH) throw new DataError(`the feed is nested more than ${MAX_DEPTH} deep`);
    open.push(element);
  }
}

function attributesOf(text) {
  const found = text.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g);
  return Object.fromEntries([...found].map(([, name, a, b]) => [nameOf(name), decodeEntities(a ?? b)]));
}

function nameOf(name) {
  return name.slice(name.indexOf(":") + 1).toLowerCase();
}

function child(element, name) {
  return element.children.find((node) => node.name === name);
}

function children(element, name) {
  return element.children.filter((node) => node.name === name);
}

/** The text of the first child of that name; markup in it (Atom's xhtml) becomes spaces. */
function textOf(element, name) {
  const words = (node) => (typeof node === "string" ? node : ` ${node.children.map(words).join("")} `);
  const found = child(element, name);
  return found === undefined ? "" : words(found).trim();
}

// ------------------------------------------------------------------ texts and times

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", hellip: "…", ndash: "–", mdash: "—", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”" };

function decodeEntities(text) {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{1,10}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\ufffd" : String.fromCodePoint(code);
  });
}

/** HTML as one line of text. */
function plain(html) {
  return tidy(decodeEntities(html.replace(/<(script|style)\b[^]*?<\/\1>|<!--[^]*?-->/gi, " ").replace(/<\/?[a-z!][^<>]*>/gi, " ")));
}

function tidy(text) {
  return text.replace(/\s+/g, " ").replace(/ ([.,;:!?])(?=\s|$)/g, "$1").trim();
}

function cut(text, characters) {
  if (text.length <= characters) return text;
  const start = text.slice(0, characters).replace(/[\ud800-\udbff]$/, "");
  return `${start.replace(/\s+\S*$/, "") || start}…`;
}

/** Milliseconds, or null when there is no date that can be read. */
function timeOf(text) {
  const time = Date.parse(String(text ?? "").trim().replace(/\bUTC?$/, "GMT"));
  return Number.isNaN(time) ? null : time;
}

function absolute(link, base) {
  if (link === null || !URL.canParse(link, base)) return null;
  const url = new URL(link, base);
  return /^https?:$/.test(url.protocol) ? url.href : null;
}
