// Turns HTML, also broken HTML, into readable text or Markdown. Form: function main.
//
// `tokens` cuts the markup as the HTML standard's tokenizer does; `Page` writes lines and keeps the open lists, quotes and links.

const HIDDEN = new Set(["script", "style", "template", "svg", "math", "iframe", "noembed", "noframes", "xmp", "object", "canvas"]);
// The content of these has no tags; it is taken as a title or as text.
const RAW = new Map([["title", "title"], ["textarea", "text"]]);
const PARAGRAPHS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "blockquote", "table", "figure", "fieldset", "form"]);
const BLOCKS = new Set(
  (
    "address article aside body caption center dd details dialog div dt figcaption footer header hgroup html legend li " +
    "main nav option search section summary tbody tfoot thead tr"
  ).split(" "),
);
const MARKS = { b: "**", strong: "**", i: "*", em: "*", code: "`", kbd: "`", samp: "`", s: "~~", del: "~~" };
const MAX_CONTAINERS = 100;
const MAX_INDENT = 60;

function main({ html, format = "markdown", max_characters: maxCharacters = Infinity }) {
  const page = new Page(format === "markdown");
  for (const token of tokens(html)) page.take(token);
  const text = page.finish();
  const short = text.length > maxCharacters ? text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "").trimEnd() : text;
  return { text: short, title: page.title, headings: page.headings, links: page.links, truncated: short.length < text.length };
}

// ------------------------------------------------------------------ markup

/** Yields `{type: "text" | "open" | "close" | "title", …}`. Comments, declarations and hidden elements are left out. */
function* tokens(html) {
  let position = 0;
  for (let start = html.indexOf("<"); start !== -1; start = html.indexOf("<", Math.max(position, start + 1))) {
    const end = commentEnd(html, start);
    const tag = end === null ? readTag(html, start) : null;
    if (end === null && tag === null) continue; // this "<" is text
    if (start > position) yield { type: "text", text: decode(html.slice(position, start)) };
    position = end ?? tag.end;
    if (tag === null) continue;
    if (tag.type === "open" && (HIDDEN.has(tag.name) || RAW.has(tag.name))) {
      if (tag.selfClosing && tag.name === "svg") continue;
      const [innerEnd, outerEnd] = elementEnd(html, tag.name, position);
      if (RAW.has(tag.name)) yield { type: RAW.get(tag.name), text: decode(html.slice(position, innerEnd)) };
      position = outerEnd;
    } else {
      yield tag;
    }
  }
  if (position < html.length) yield { type: "text", text: decode(html.slice(position)) };
}

/** Returns where the comment or declaration that starts here ends, or null when none does. */
function commentEnd(html, start) {
  const after = (text, from) => {
    const found = html.indexOf(text, from);
    return found === -1 ? html.length : found + text.length;
  };
  if (html.startsWith("<!-->", start)) return start + 5;
  if (html.startsWith("<!--->", start)) return start + 6;
  if (html.startsWith("<!--", start)) return after("-->", start + 4);
  return /[!?]/.test(html[start + 1] ?? "") ? after(">", start + 2) : null;
}

/** Returns `{type, name, attributes, selfClosing, end}`, or null when no tag starts here. */
function readTag(html, start) {
  const opening = /<(\/?)([A-Za-z][^\s/>]*)/y;
  opening.lastIndex = start;
  const match = opening.exec(html);
  if (match === null) return null;
  const attribute = /[\s/]*([^\s=>/]+|=[^\s=>/]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/y;
  const attributes = {};
  let end = opening.lastIndex;
  for (;;) {
    attribute.lastIndex = end;
    const found = attribute.exec(html);
    if (found === null) break;
    end = attribute.lastIndex;
    const name = found[1].toLowerCase();
    if (["href", "src", "alt", "start"].includes(name)) attributes[name] ??= decode(found[2] ?? found[3] ?? found[4] ?? "", true);
  }
  const close = html.indexOf(">", end);
  return {
    type: match[1] === "/" ? "close" : "open",
    name: match[2].toLowerCase(),
    attributes,
    selfClosing: html[close - 1] === "/",
    end: close === -1 ? html.length : close + 1,
  };
}

/** Returns where the content of an element ends, and where its end tag does. */
function elementEnd(html, name, from) {
  const closing = new RegExp(`</${name}(?=[\\s/>])[^>]*>?`, "gi");
  closing.lastIndex = from;
  const match = closing.exec(html);
  return match === null ? [html.length, html.length] : [match.index, closing.lastIndex];
}

// ------------------------------------------------------------------ character references

const NAMED = new Map([
  ...Object.entries({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }),
  ...Object.entries({ OElig: "Œ", oelig: "œ", Scaron: "Š", scaron: "š", Yuml: "Ÿ", fnof: "ƒ", circ: "ˆ", tilde: "˜" }),
  ...Object.entries({ ensp: "\u2002", emsp: "\u2003", thinsp: "\u2009", zwnj: "\u200c", zwj: "\u200d", lrm: "\u200e", rlm: "\u200f" }),
  ...Object.entries({ ndash: "–", mdash: "—", lsquo: "‘", rsquo: "’", sbquo: "‚", ldquo: "“", rdquo: "”", bdquo: "„", lsaquo: "‹", rsaquo: "›" }),
  ...Object.entries({ dagger: "†", Dagger: "‡", bull: "•", hellip: "…", permil: "‰", prime: "′", Prime: "″", euro: "€", trade: "™", check: "✓" }),
  ...Object.entries({ larr: "←", uarr: "↑", rarr: "→", darr: "↓", harr: "↔", minus: "−", radic: "√", infin: "∞", asymp: "≈", ne: "≠" }),
  ...Object.entries({ equiv: "≡", le: "≤", ge: "≥", sum: "∑", prod: "∏", part: "∂" }),
  // U+00A0 to U+00FF, in order
  ...(
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 " +
    "sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc " +
    "Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve " +
    "Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute " +
    "acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde " +
    "ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml"
  ).split(" ").map((name, index) => [name, String.fromCharCode(160 + index)]),
  // U+0391 to U+03A9 and U+03B1 to U+03C9, in order; the final sigma has no capital
  ...(
    "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma Tau Upsilon Phi Chi Psi Omega - - - - - - - " +
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega"
  ).split(" ").map((name, index) => [name, String.fromCharCode(0x391 + index)]),
]);

// What numbers 128 to 159 mean on the Web: Windows-1252.
const WINDOWS = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

/** In attributes a reference needs its semicolon, so that "?a=1&copy=2" keeps its parameter. */
function decode(text, inAttribute = false) {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z][A-Za-z\d]{1,31}))(;?)/g, (whole, decimal, hex, name, semicolon) => {
    if (name !== undefined) {
      const isCommon = NAMED.has(name) && (/^(?:amp|lt|gt|quot)$/.test(name) || (NAMED.get(name) >= "\u00a0" && NAMED.get(name) <= "ÿ"));
      return NAMED.has(name) && (semicolon !== "" || (isCommon && !inAttribute)) ? NAMED.get(name) : whole;
    }
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16);
    if (code >= 128 && code < 160) return WINDOWS[code - 128];
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\ufffd" : String.fromCodePoint(code);
  });
}

// ------------------------------------------------------------------ the page

class Page {
  title = null;
  headings = [];
  links = [];
  #markdown;
  #output = [];
  #breaks = 0; // line breaks that are due before the next text
  #space = false; // a space is due, unless a line begins
  #opening = ""; // marks that stick to the next text
  #containers = []; // open lists, items, quotes, cells: {name, first, rest}
  #marks = new Map(); // open inline marks, by element
  #captured = new Map(); // texts that are being collected: "a", "heading"
  #link = null; // address of the open link
  #pre = 0;
  #preBegins = false;

  constructor(markdown) {
    this.#markdown = markdown;
  }

  take(token) {
    if (token.type === "text") this.#text(token.text);
    else if (token.type === "title") this.title ??= token.text.trim().replace(/\s+/g, " ");
    else if (token.type === "open") this.#open(token);
    else this.#close(token.name);
  }

  finish() {
    for (const name of [...this.#marks.keys()]) this.#closeMark(name);
    this.#closeLink();
    this.#closeHeading();
    while (this.#containers.length > 0) this.#pop(this.#containers.at(-1).name);
    const lines = this.#output.join("").split("\n");
    return lines.map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  // ---------------------------------------------------------------- writing

  #text(text) {
    if (this.#pre > 0) {
      const lines = text.replace(/\r\n?/g, "\n").split("\n");
      if (this.#preBegins && lines[0] === "") lines.shift(); // a line break right after <pre> does not count
      this.#preBegins = false;
      for (const [index, line] of lines.entries()) {
        if (index > 0) this.#breaks += 1;
        if (line !== "") this.#write(line);
      }
      return;
    }
    // No-break spaces do not collapse, but they are written as spaces; soft hyphens are not written.
    for (const part of text.replace(/\u00ad/g, "").split(/([ \t\n\r\f]+)/)) {
      if (part === "") continue;
      if (/^[ \t\n\r\f]/.test(part)) this.#space = true;
      else this.#write(part.replace(/\u00a0/g, " "));
    }
  }

  #write(text) {
    const separated = this.#space || this.#breaks > 0;
    for (const [key, words] of this.#captured) this.#captured.set(key, words !== "" && separated ? `${words} ${text}` : words + text);
    if (this.#output.length === 0 || this.#breaks > 0) this.#startLine();
    else if (this.#space) this.#output.push(" ");
    this.#output.push(this.#opening, text);
    this.#opening = "";
    this.#space = false;
  }

  #startLine() {
    const blank = this.#containers.map(({ rest }) => rest).join("").trimEnd();
    if (this.#output.length > 0) this.#output.push("\n", `${blank}\n`.repeat(this.#breaks - 1));
    let indent = "";
    for (const container of this.#containers) {
      indent += container.first ?? container.rest;
      container.first = null;
    }
    this.#output.push(indent);
    this.#breaks = 0;
    this.#space = false;
  }

  #breakLine(lines) {
    this.#breaks = Math.max(this.#breaks, lines);
    this.#space = true;
  }

  // ---------------------------------------------------------------- elements

  #open({ name, attributes }) {
    if (this.#isBlock(name)) this.#breakBlock(name);
    if (name === "br") return void (this.#breaks = Math.min(this.#breaks + 1, 2));
    if (name === "hr") return this.#rule();
    if (name === "a") return this.#openLink(attributes);
    if (name === "img") return this.#image(attributes);
    if (/^h[1-6]$/.test(name)) return this.#openHeading(Number(name[1]));
    if (name in MARKS) return this.#openMark(name);
    if (name === "td" || name === "th") return this.#openCell(name);
    if (name === "tr") this.#pop("tr", "table");
    if (name === "li") this.#pop("li", "ul", "ol");
    if (name === "dd" || name === "dt") this.#pop("dd", "dl");
    this.#openContainer(name, attributes);
  }

  #close(name) {
    if (name === "a") return this.#closeLink();
    if (name in MARKS) return this.#closeMark(name);
    if (/^h[1-6]$/.test(name)) this.#closeHeading();
    this.#pop(name);
    if (this.#isBlock(name)) this.#breakBlock(name);
  }

  #isBlock(name) {
    return PARAGRAPHS.has(name) || BLOCKS.has(name);
  }

  /** Lists inside items and simple blocks inside cells keep together. */
  #breakBlock(name) {
    const inner = this.#containers.at(-1)?.name;
    if ((inner === "td" || inner === "th") && (name === "p" || name === "div")) this.#space = true;
    else if ((name === "ul" || name === "ol") && this.#containers.some((container) => container.name === "li")) this.#breakLine(1);
    else this.#breakLine(PARAGRAPHS.has(name) ? 2 : 1);
  }

  #openContainer(name, attributes) {
    if (this.#containers.length >= MAX_CONTAINERS) return; // absurdly deep nesting is flattened
    const container = { name, first: null, rest: "", start: this.#output.length };
    if (name === "ol") container.next = /^-?\d{1,9}$/.test(attributes.start ?? "") ? Number(attributes.start) : 1;
    else if (name === "li") container.first = this.#bullet();
    else if (name === "blockquote") container.rest = this.#markdown ? "> " : "  ";
    else if (name === "dd") container.rest = "  ";
    else if (name === "pre") this.#openPre();
    else if (!["ul", "dl", "table", "tr"].includes(name)) return;
    if (name === "li") container.rest = " ".repeat(container.first.length);
    const indent = this.#containers.reduce((width, { rest }) => width + rest.length, 0);
    if (indent > MAX_INDENT) container.rest = "";
    this.#containers.push(container);
  }

  #bullet() {
    const list = this.#containers.findLast(({ name }) => name === "ul" || name === "ol");
    return list?.name === "ol" ? `${list.next++}. ` : "- ";
  }

  /** Closes the innermost `name` and what is open in it, but does not look beyond a container of `limits`. */
  #pop(name, ...limits) {
    const index = this.#containers.findLastIndex((container) => container.name === name || limits.includes(container.name));
    if (index === -1 || this.#containers[index].name !== name) return;
    while (this.#containers.length > index) if (this.#containers.pop().name === "pre") this.#closePre();
  }

  #openCell(name) {
    for (const open of ["td", "th"]) this.#pop(open, "table");
    const row = this.#containers.findLast((container) => container.name === "tr");
    // No bar after a cell that ended with a block, but one after an empty cell at the start of the row.
    if (row?.hasCells && (this.#breaks === 0 || this.#output.length === row.start)) {
      this.#space = true;
      this.#write("|");
      this.#space = true;
    }
    if (row !== undefined) row.hasCells = true;
    if (this.#containers.length < MAX_CONTAINERS) this.#containers.push({ name, first: null, rest: "" });
  }

  #rule() {
    this.#breakLine(2);
    this.#write("---");
    this.#breakLine(2);
  }

  #image({ alt = "", src = "" }) {
    const text = alt.trim().replace(/\s+/g, " ");
    if (this.#markdown && text !== "" && isUseful(src)) this.#write(`![${text}](${destination(src)})`);
    else if (text !== "") this.#write(text);
  }

  #openPre() {
    if (this.#markdown) {
      this.#write("```");
      this.#breaks = 1;
    }
    this.#pre += 1;
    this.#preBegins = true;
  }

  #closePre() {
    this.#pre -= 1;
    if (!this.#markdown) return;
    this.#breaks = 1;
    this.#write("```");
  }

  // ---------------------------------------------------------------- inline

  #openMark(name) {
    if (!this.#markdown || this.#pre > 0 || [...this.#marks.keys()].some((open) => MARKS[open] === MARKS[name])) return;
    if (this.#marks.has("code")) return;
    this.#marks.set(name, MARKS[name]);
    this.#opening += MARKS[name];
  }

  #closeMark(name) {
    const mark = this.#marks.get(name);
    if (mark === undefined) return;
    this.#marks.delete(name);
    this.#shut(mark, mark);
  }

  /** A mark that nothing was written in disappears. */
  #shut(opening, closing) {
    if (this.#opening.endsWith(opening)) this.#opening = this.#opening.slice(0, -opening.length);
    else this.#output.push(closing);
  }

  #openLink({ href = "" }) {
    this.#closeLink();
    if (!isUseful(href)) return;
    this.#captured.set("a", "");
    this.#link = href.trim();
    if (this.#markdown) this.#opening += "[";
  }

  #closeLink() {
    if (this.#link === null) return;
    if (this.#markdown) this.#shut("[", `](${destination(this.#link)})`);
    this.links.push({ text: this.#captured.get("a"), href: this.#link });
    this.#link = null;
    this.#captured.delete("a");
  }

  #openHeading(level) {
    this.#closeHeading();
    this.#captured.set("heading", "");
    this.headings.push({ level, text: "" });
    if (this.#markdown) this.#opening = `${"#".repeat(level)} ${this.#opening}`;
  }

  #closeHeading() {
    const text = this.#captured.get("heading");
    if (text === undefined) return;
    this.#captured.delete("heading");
    const heading = this.headings.at(-1);
    heading.text = text;
    if (text === "") this.headings.pop();
    this.#opening = this.#opening.replace(/^#+ /, "");
  }
}

/** Anchors inside the page and scripts lead nowhere. */
function isUseful(address) {
  return address.trim() !== "" && !/^\s*(?:#|javascript:|data:|vbscript:)/i.test(address);
}

function destination(address) {
  const text = address.trim();
  return /[\s()<>]/.test(text) ? `<${text.replace(/[<>\n\r]/g, (character) => encodeURIComponent(character))}>` : text;
}
