// JSONPath (RFC 9535, all of it) and JSON Pointer (RFC 6901). Form: module.exports.

const MAX_NODES = 2_000_000;
const MAX_NESTING = 100;
const NOTHING = Symbol("Nothing"); // RFC 9535, 2.4.1: the absence of a value, which is not null

module.exports = {
  main({ data, query, limit = 1000 }) {
    const root = { value: data, parent: null, key: null };
    const nodes = query === "" || query.startsWith("/") ? followPointer(root, query) : parse(query)(root);
    const matches = nodes.slice(0, limit).map((node) => {
      const keys = keysOf(node);
      return { path: normalizedPath(keys), pointer: pointerOf(keys), value: node.value };
    });
    return { matches, count: nodes.length, truncated: nodes.length > limit };
  },
};

// ------------------------------------------------------------------ nodes: a value and the way to it

function keysOf(node) {
  const keys = [];
  for (let step = node; step.parent !== null; step = step.parent) keys.push(step.key);
  return keys.reverse();
}

function pointerOf(keys) {
  return keys.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** RFC 9535, 2.7. */
function normalizedPath(keys) {
  return `$${keys.map((key) => (typeof key === "number" ? `[${key}]` : `['${escapeName(key)}']`)).join("")}`;
}

function escapeName(name) {
  const short = { "'": "\\'", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  return name.replace(/['\\\u0000-\u001f]/g, (character) => short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function child(parent, key) {
  return { value: parent.value[key], parent, key };
}

function children(node) {
  if (Array.isArray(node.value)) return node.value.map((_, index) => child(node, index));
  return isObject(node.value) ? Object.keys(node.value).map((key) => child(node, key)) : [];
}

function followPointer(root, pointer) {
  let node = root;
  for (const token of pointer.split("/").slice(1)) {
    if (/~(?![01])/.test(token)) throw new ValidationError(`In a JSON Pointer ~ is written ~0 and / is written ~1: ${JSON.stringify(token)}`, { token });
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    const isIndex = Array.isArray(node.value) && /^(?:0|[1-9]\d*)$/.test(key) && Number(key) < node.value.length;
    if (isIndex) node = child(node, Number(key));
    else if (isObject(node.value) && Object.hasOwn(node.value, key)) node = child(node, key);
    else return [];
  }
  return [node];
}

// ------------------------------------------------------------------ selectors: node -> nodes

const byName = (name) => (node) => (isObject(node.value) && Object.hasOwn(node.value, name) ? [child(node, name)] : []);

const byIndex = (index) => (node) => {
  if (!Array.isArray(node.value)) return [];
  const position = index < 0 ? node.value.length + index : index;
  return position >= 0 && position < node.value.length ? [child(node, position)] : [];
};

/** RFC 9535, 2.3.4.2.2. */
const bySlice = (start, end, step) => (node) => {
  if (!Array.isArray(node.value) || step === 0) return [];
  const { length } = node.value;
  const absolute = (position) => (position < 0 ? length + position : position);
  const clamp = (position, low, high) => Math.min(Math.max(position, low), high);
  const result = [];
  if (step > 0) {
    const last = clamp(absolute(end ?? length), 0, length);
    for (let i = clamp(absolute(start ?? 0), 0, length); i < last; i += step) result.push(child(node, i));
  } else {
    const last = end === null ? -1 : clamp(absolute(end), -1, length - 1);
    for (let i = clamp(absolute(start ?? length - 1), -1, length - 1); i > last; i += step) result.push(child(node, i));
  }
  return result;
};

function descendants(node, result = []) {
  result.push(node);
  if (result.length > MAX_NODES) throw tooMany();
  for (const next of children(node)) descendants(next, result);
  return result;
}

function tooMany() {
  return new DataError(`The query visits more than ${MAX_NODES} nodes; use fewer ".." or a narrower start`, { max_nodes: MAX_NODES });
}

function runSegments(segments, start, root) {
  let nodes = [start];
  for (const { deep, selectors } of segments) {
    const next = [];
    for (const node of nodes) {
      for (const place of deep ? descendants(node) : [node]) {
        for (const select of selectors) {
          for (const found of select(place, root)) next.push(found);
          if (next.length > MAX_NODES) throw tooMany();
        }
      }
    }
    nodes = next;
  }
  return nodes;
}

// ------------------------------------------------------------------ values in filters

function equal(a, b) {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

/** Strings are ordered by code points, which differs from JavaScript's order outside the basic plane. */
function less(a, b) {
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a !== "string" || typeof b !== "string") return false;
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at === -1) return left.length < right.length;
  return at < right.length && left[at].codePointAt(0) < right[at].codePointAt(0);
}

const COMPARE = {
  "==": equal,
  "!=": (a, b) => !equal(a, b),
  "<": less,
  "<=": (a, b) => less(a, b) || equal(a, b),
  ">": (a, b) => less(b, a),
  ">=": (a, b) => less(b, a) || equal(a, b),
};

function lengthOf(value) {
  if (typeof value === "string") return [...value].length;
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : NOTHING;
}

const compiled = new Map();

/** I-Regexp (RFC 9485): a dot matches no line break; a pattern that is not valid matches nothing. */
function toRegExp(pattern, whole) {
  const key = `${whole}${pattern}`;
  if (!compiled.has(key)) {
    const translated = pattern.replace(/\\.|\[(?:\\.|[^\]\\])*\]|\./gsu, (token) => (token === "." ? "[^\\n\\r]" : token));
    try {
      compiled.set(key, new RegExp(whole ? `^(?:${translated})$` : translated, "u"));
    } catch (error) {
      console.warn(`the pattern ${JSON.stringify(pattern)} matches nothing: ${error.message}`);
      compiled.set(key, null);
    }
  }
  return compiled.get(key);
}

function matches(value, pattern, whole) {
  return typeof value === "string" && typeof pattern === "string" && (toRegExp(pattern, whole)?.test(value) ?? false);
}

// Types of RFC 9535, 2.4.1: "value", "logical", "nodes".
const FUNCTIONS = {
  length: { parameters: ["value"], result: "value", call: lengthOf },
  count: { parameters: ["nodes"], result: "value", call: (nodes) => nodes.length },
  value: { parameters: ["nodes"], result: "value", call: (nodes) => (nodes.length === 1 ? nodes[0].value : NOTHING) },
  match: { parameters: ["value", "value"], result: "logical", call: (value, pattern) => matches(value, pattern, true) },
  search: { parameters: ["value", "value"], result: "logical", call: (value, pattern) => matches(value, pattern, false) },
};

// ------------------------------------------------------------------ the parser

/** Returns `root => nodes`. Raises ValidationError with the position of what is wrong. */
function parse(query) {
  let position = 0;
  let nesting = 0;

  if (query[0] !== "$") fail('A query starts with "$" (JSONPath), or with "/" (JSON Pointer)');
  position = 1;
  const segments = parseSegments();
  if (position < query.length) fail("Expected a segment such as .name, ['name'], [0], [*], ..name or [?…]");
  return (root) => runSegments(segments, root, root);

  function fail(message) {
    const found = position < query.length ? JSON.stringify(query.slice(position, position + 10)) : "the end of the query";
    throw new ValidationError(`${message} at position ${position}, found ${found}`, { query, position });
  }

  function space() {
    while (/[ \t\n\r]/.test(query[position] ?? "")) position += 1;
  }

  function take(text) {
    if (!query.startsWith(text, position)) return false;
    position += text.length;
    return true;
  }

  function expect(text) {
    if (!take(text)) fail(`Expected ${JSON.stringify(text)}`);
  }

  function match(pattern) {
    pattern.lastIndex = position;
    const found = pattern.exec(query)?.[0];
    if (found !== undefined) position += found.length;
    return found;
  }

  function parseSegments() {
    const result = [];
    for (;;) {
      const before = position;
      space();
      if (query[position] === "[") result.push(bracketed(false));
      else if (take("..")) result.push(query[position] === "[" ? bracketed(true) : dotted(true));
      else if (take(".")) result.push(dotted(false));
      else {
        position = before;
        return result;
      }
    }
  }

  function dotted(deep) {
    if (take("*")) return { deep, selectors: [children], singular: false };
    const name = match(/[\p{L}_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*/uy);
    if (name === undefined) fail("Expected a name or *; other names are written ['like this']");
    return { deep, selectors: [byName(name)], singular: !deep };
  }

  function bracketed(deep) {
    expect("[");
    const selectors = [];
    do {
      space();
      selectors.push(selector());
      space();
    } while (take(","));
    expect("]");
    return { deep, selectors: selectors.map(({ select }) => select), singular: !deep && selectors.length === 1 && selectors[0].singular };
  }

  function selector() {
    if (take("*")) return { select: children, singular: false };
    if (take("?")) {
      space();
      const test = orExpression();
      return { select: (node, root) => children(node).filter((item) => test(item, root)), singular: false };
    }
    if (/["']/.test(query[position] ?? "")) return { select: byName(stringLiteral()), singular: true };
    const start = integer();
    const afterStart = position;
    space();
    if (!take(":")) {
      position = afterStart;
      if (start === null) fail("Expected a name in quotes, an index, a slice, * or ?filter");
      return { select: byIndex(start), singular: true };
    }
    space();
    const end = integer();
    space();
    let step = null;
    if (take(":")) {
      space();
      step = integer();
    }
    return { select: bySlice(start, end, step ?? 1), singular: false };
  }

  function integer() {
    const text = match(/-?\d+/y);
    if (text === undefined) return null;
    if (!/^(?:0|-?[1-9]\d*)$/.test(text) || !Number.isSafeInteger(Number(text))) fail(`${text} is not an index`);
    return Number(text);
  }

  function stringLiteral() {
    const quote = query[position];
    position += 1;
    let result = "";
    for (;;) {
      const character = query[position];
      if (character === undefined) fail("The string is never closed");
      if (character < " ") fail("Control characters are written as escapes");
      position += 1;
      if (character === quote) return result;
      result += character === "\\" ? escape(quote) : character;
    }
  }

  function escape(quote) {
    const plain = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", "/": "/", "\\": "\\", [quote]: quote };
    const character = query[position] ?? "";
    if (Object.hasOwn(plain, character)) {
      position += 1;
      return plain[character];
    }
    const code = match(/u(?:[Dd][89ABab][\dA-Fa-f]{2}\\u[Dd][C-Fc-f][\dA-Fa-f]{2}|(?![Dd][89A-Fa-f])[\dA-Fa-f]{4})/y);
    if (code === undefined) fail("Unknown escape in a string");
    return JSON.parse(`"\\${code}"`);
  }

  // An expression is `(node, root) => boolean`.
  function orExpression() {
    if ((nesting += 1) > MAX_NESTING) fail("The filter is nested too deeply");
    const parts = [andExpression()];
    for (space(); take("||"); space()) {
      space();
      parts.push(andExpression());
    }
    nesting -= 1;
    return (node, root) => parts.some((part) => part(node, root));
  }

  function andExpression() {
    const parts = [basicExpression()];
    for (space(); take("&&"); space()) {
      space();
      parts.push(basicExpression());
    }
    return (node, root) => parts.every((part) => part(node, root));
  }

  function basicExpression() {
    const negated = take("!");
    if (negated) space();
    let test;
    if (take("(")) {
      space();
      test = orExpression();
      space();
      expect(")");
    } else {
      test = comparisonOrTest(negated);
    }
    return negated ? (node, root) => !test(node, root) : test;
  }

  function comparisonOrTest(negated) {
    const left = operand();
    const after = position;
    space();
    const operator = match(/[=!]=|[<>]=?/y);
    if (operator === undefined) {
      position = after;
      return asTest(left);
    }
    if (negated) fail("Put brackets around a comparison that follows !");
    space();
    const [first, second] = [asValue(left), asValue(operand())];
    return (node, root) => COMPARE[operator](first(node, root), second(node, root));
  }

  /** Returns `{type, evaluate, singular}`; type is value, logical or nodes. */
  function operand() {
    if (/["']/.test(query[position] ?? "")) return literal(stringLiteral());
    const number = match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== undefined) return literal(Number(number));
    const from = query[position];
    if (take("$") || take("@")) {
      const inner = parseSegments();
      const evaluate = (node, root) => runSegments(inner, from === "$" ? root : node, root);
      return { type: "nodes", evaluate, singular: inner.every(({ singular }) => singular) };
    }
    const word = match(/[a-z][a-z_0-9]*/y);
    if (word === undefined) fail("Expected @, $, a literal or a function");
    if (word === "true" || word === "false" || word === "null") return literal(JSON.parse(word));
    return functionCall(word);
  }

  function literal(value) {
    return { type: "literal", evaluate: () => value };
  }

  function functionCall(name) {
    if (!Object.hasOwn(FUNCTIONS, name)) fail(`There is no function ${name}; there are ${Object.keys(FUNCTIONS).join(", ")}`);
    const { parameters, result, call } = FUNCTIONS[name];
    if ((nesting += 1) > MAX_NESTING) fail("The filter is nested too deeply");
    expect("(");
    const readers = parameters.map((type, index) => {
      space();
      if (index > 0) expect(",");
      space();
      const argument = operand();
      if (type === "value") return asValue(argument);
      if (argument.type !== "nodes") fail(`${name}() takes a path such as @.items[*]`);
      return argument.evaluate;
    });
    space();
    expect(")");
    nesting -= 1;
    return { type: result, evaluate: (node, root) => call(...readers.map((read) => read(node, root))) };
  }

  function asTest({ type, evaluate }) {
    if (type === "nodes") return (node, root) => evaluate(node, root).length > 0;
    if (type === "logical") return evaluate;
    return fail("Expected a comparison: a value alone is neither true nor false");
  }

  function asValue({ type, evaluate, singular }) {
    if (type === "logical") fail("The result of match() or search() cannot be compared");
    if (type !== "nodes") return evaluate;
    if (!singular) fail("Only a path to one value, such as @.a[0], can be compared");
    return (node, root) => {
      const [found] = evaluate(node, root);
      return found === undefined ? NOTHING : found.value; // an existing null is not the same as nothing
    };
  }
}
