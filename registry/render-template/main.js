// Renders Mustache templates: variables, sections, inverted sections, comments, partials, delimiters. Form: module.exports.

const MAX_PARTIALS_DEEP = 50;
const MAX_NESTING = 200;
const MAX_OUTPUT = 3_000_000;

const HTML = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const ESCAPES = {
  html: (text) => text.replace(/[&<>"']/g, (character) => HTML[character]),
  json: (text) => JSON.stringify(text).slice(1, -1),
  url: (text) => encodeURIComponent(text.toWellFormed()),
  none: (text) => text,
};

module.exports = {
  main({ template, data = {}, partials = {}, escape = "html", missing = "empty" }) {
    const escapeText = ESCAPES[escape];
    const parsedPartials = new Map();
    const missed = new Set();
    const output = [];
    let size = 0;

    render(parse(template, "the template"), { value: data, parent: null }, 0);
    if (missing === "error" && missed.size > 0) {
      throw new DataError(`The data has no value for ${[...missed].join(", ")}`, { missing: [...missed] });
    }
    return { text: output.join(""), missing: [...missed] };

    function render(nodes, scope, depth) {
      for (const node of nodes) {
        if (node.type === "text") emit(node.text);
        else if (node.type === "partial") renderPartial(node, scope, depth);
        else if (node.type === "variable") renderVariable(node, scope);
        else renderSection(node, scope, depth);
      }
    }

    function emit(text) {
      size += text.length;
      if (size > MAX_OUTPUT) throw new DataError(`The result is longer than ${MAX_OUTPUT} characters`, { max_characters: MAX_OUTPUT });
      output.push(text);
    }

    function renderVariable({ name, raw }, scope) {
      const value = lookUp(name, scope);
      if (value === undefined) missed.add(name);
      if (value === undefined || value === null) return;
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      emit(raw ? text : escapeText(text));
    }

    /** A list repeats the section, anything else that is not empty shows it once, with the value as its scope. */
    function renderSection({ type, name, nodes }, scope, depth) {
      const value = lookUp(name, scope);
      const isEmpty = !value || (Array.isArray(value) && value.length === 0);
      if (type === "inverted") {
        if (isEmpty) render(nodes, scope, depth);
      } else if (!isEmpty) {
        for (const item of Array.isArray(value) ? value : [value]) render(nodes, { value: item, parent: scope }, depth);
      }
    }

    function renderPartial({ name, indent }, scope, depth) {
      if (!Object.hasOwn(partials, name)) return void missed.add(`> ${name}`);
      if (depth === MAX_PARTIALS_DEEP) throw new DataError(`Partials include each other more than ${MAX_PARTIALS_DEEP} times: ${name}`, { partial: name });
      const key = indent + name;
      if (!parsedPartials.has(key)) {
        const indented = partials[name].replace(/(^|\n)(?=[^\n])/g, `$1${indent}`);
        parsedPartials.set(key, parse(indented, `the partial ${JSON.stringify(name)}`));
      }
      render(parsedPartials.get(key), scope, depth + 1);
    }
  },
};

/** The first part of a dotted name is searched outwards from the innermost scope, the others only inside what it gave. */
function lookUp(name, scope) {
  if (name === ".") return scope.value;
  const [first, ...rest] = name.split(".");
  let place = scope;
  while (place !== null && !has(place.value, first)) place = place.parent;
  let value = place?.value[first];
  for (const part of rest) value = has(value, part) ? value[part] : undefined;
  return value;
}

function has(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name);
}

/** Returns a tree of nodes. Raises DataError with the line of a tag that is wrong. */
function parse(template, where) {
  let [open, close] = ["{{", "}}"];
  let position = 0;
  const root = { nodes: [] };
  const stack = [root];
  for (let start = template.indexOf(open); start !== -1; start = template.indexOf(open, position)) {
    const tag = readTag(start);
    const line = standaloneLine(tag);
    addText(line === null ? start : line.start);
    position = line === null ? tag.end : line.end;
    handle(tag, line === null ? "" : template.slice(line.start, start));
  }
  addText(template.length);
  if (stack.length > 1) throw wrong(`The section ${JSON.stringify(stack.at(-1).name)} is never closed`, stack.at(-1).start);
  return root.nodes;

  function wrong(message, index) {
    const line = template.slice(0, index).split("\n").length;
    return new DataError(`${message} (line ${line} of ${where})`, { line });
  }

  function readTag(start) {
    let from = start + open.length;
    let kind = template[from] ?? "";
    if ("#^/>!&=".includes(kind) && kind !== "") from += 1;
    else if (kind === "{" && open === "{{") from += 1;
    else kind = "";
    const closing = { "=": `=${close}`, "{": `}${close}` }[kind] ?? close;
    const to = template.indexOf(closing, from);
    if (to === -1) throw wrong(`The tag ${JSON.stringify(template.slice(start, start + 20))} is never closed`, start);
    const name = template.slice(from, to).trim();
    if (name === "" && kind !== "!") throw wrong("A tag has no name", start);
    return { kind, name, start, end: to + closing.length };
  }

  /** Tags other than variables that are alone on their line take the whole line with them. */
  function standaloneLine({ kind, start, end }) {
    if (!"#^/>!=".includes(kind) || kind === "") return null;
    let before = start;
    while (template[before - 1] === " " || template[before - 1] === "\t") before -= 1;
    if (before > 0 && template[before - 1] !== "\n") return null;
    let after = end;
    while (template[after] === " " || template[after] === "\t") after += 1;
    if (template.startsWith("\r\n", after)) return { start: before, end: after + 2 };
    if (after === template.length || template[after] === "\n") return { start: before, end: Math.min(after + 1, template.length) };
    return null;
  }

  function addText(end) {
    if (end > position) stack.at(-1).nodes.push({ type: "text", text: template.slice(position, end) });
  }

  function handle({ kind, name, start }, indent) {
    const { nodes } = stack.at(-1);
    switch (kind) {
      case "!":
        return;
      case "=":
        return setDelimiters(name, start);
      case ">":
        nodes.push({ type: "partial", name, indent });
        return;
      case "/":
        if (stack.length === 1) throw wrong(`{{/${name}}} closes a section that is not open`, start);
        if (stack.at(-1).name !== name) throw wrong(`{{/${name}}} closes ${JSON.stringify(stack.at(-1).name)}, which is open`, start);
        stack.pop();
        return;
      case "#":
      case "^":
        if (stack.length > MAX_NESTING) throw wrong(`Sections are nested more than ${MAX_NESTING} deep`, start);
        stack.push({ type: kind === "#" ? "section" : "inverted", name, nodes: [], start });
        nodes.push(stack.at(-1));
        return;
    }
    nodes.push({ type: "variable", name, raw: kind !== "" });
  }

  function setDelimiters(text, start) {
    const parts = text.split(/\s+/);
    if (parts.length !== 2 || parts.some((part) => part.includes("="))) throw wrong("Delimiters are set like {{=<% %>=}}", start);
    [open, close] = parts;
  }
}
