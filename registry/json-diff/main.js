// Compares two JSON values and writes the difference as a JSON Patch (RFC 6902). Form: export default.

// After this many insertions and removals without a meeting, the alignment goes on from the best place it has reached:
// the patch is still right, but may be longer than needed.
const STEP_LIMIT = 256;

export default function ({ before, after, ignore = [], align_arrays: alignArrays = true }) {
  const changes = [];
  compare(before, after, "", ignore.map(tokensOf));
  // Every path is meant in `before`. Applied from the last change to the first, no operation moves what a later one names.
  const patch = changes.toReversed().map(({ old_value: _, ...operation }) => operation);
  const count = (op) => changes.filter((change) => change.op === op).length;
  return { equal: changes.length === 0, patch, changes, counts: { added: count("add"), removed: count("remove"), replaced: count("replace") } };

  function compare(a, b, path, ignored) {
    if (isIgnored(ignored)) return;
    if (Array.isArray(a) && Array.isArray(b)) compareArrays(a, b, path, ignored);
    else if (isObject(a) && isObject(b)) compareObjects(a, b, path, ignored);
    else if (a !== b) changes.push({ op: "replace", path, old_value: a, value: b });
  }

  function compareObjects(a, b, path, ignored) {
    for (const key of Object.keys(a)) {
      const inner = descend(ignored, key);
      if (Object.hasOwn(b, key)) compare(a[key], b[key], join(path, key), inner);
      else if (!isIgnored(inner)) changes.push({ op: "remove", path: join(path, key), old_value: a[key] });
    }
    for (const key of Object.keys(b)) {
      if (!Object.hasOwn(a, key) && !isIgnored(descend(ignored, key))) changes.push({ op: "add", path: join(path, key), value: b[key] });
    }
  }

  /** Equal items stay where they are. In the gaps between them items are compared in pairs; what is left is added or removed. */
  function compareArrays(a, b, path, ignored) {
    let [startA, startB] = [0, 0];
    for (const [i, j] of [...(alignArrays ? equalItems(a, b, ignored) : []), [a.length, b.length]]) {
      const common = Math.min(i - startA, j - startB);
      for (let k = 0; k < common; k += 1) compare(a[startA + k], b[startB + k], join(path, startA + k), descend(ignored, startA + k));
      for (let index = startA + common; index < i; index += 1) {
        if (!isIgnored(descend(ignored, index))) changes.push({ op: "remove", path: join(path, index), old_value: a[index] });
      }
      for (let index = startB + common; index < j; index += 1) {
        if (!isIgnored(descend(ignored, index))) changes.push({ op: "add", path: join(path, startA + common), value: b[index] });
      }
      [startA, startB] = [i + 1, j + 1];
    }
  }

  function equalItems(a, b, ignored) {
    const numbers = new Map();
    const numberOf = (item, index) => {
      const text = canonical(item, descend(ignored, index));
      if (!numbers.has(text)) numbers.set(text, numbers.size);
      return numbers.get(text);
    };
    return alignSequences(a.map(numberOf), b.map(numberOf));
  }
}

// ------------------------------------------------------------------ paths and what they ignore

function tokensOf(pointer) {
  return pointer.split("/").slice(1).map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function join(path, key) {
  return `${path}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Keeps the patterns that go through `key`, without their first token. */
function descend(ignored, key) {
  return ignored.filter(([first]) => first === "*" || first === String(key)).map((tokens) => tokens.slice(1));
}

function isIgnored(ignored) {
  return ignored.some((tokens) => tokens.length === 0);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One text for all values that count as equal: keys sorted, ignored parts left out. */
function canonical(value, ignored) {
  if (isIgnored(ignored)) return "";
  if (Array.isArray(value)) return `[${value.map((item, index) => canonical(item, descend(ignored, index))).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).filter((key) => !isIgnored(descend(ignored, key)));
  return `{${keys.sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key], descend(ignored, key))}`).join()}}`;
}

// ------------------------------------------------------------------ alignment (Myers 1986, linear space)

/** Returns the index pairs of a longest common subsequence of two lists of numbers, in order. */
function alignSequences(left, right) {
  // What the other side does not have can match nothing: the search is for the rest only.
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  const indexesA = [...left.keys()].filter((index) => inRight.has(left[index]));
  const indexesB = [...right.keys()].filter((index) => inLeft.has(right[index]));
  const a = Int32Array.from(indexesA, (index) => left[index]);
  const b = Int32Array.from(indexesB, (index) => right[index]);

  const origin = Math.ceil((a.length + b.length) / 2) + 1;
  const forward = new Int32Array(2 * origin + 1);
  const backward = new Int32Array(2 * origin + 1);
  const pairs = [];
  search(0, a.length, 0, b.length);
  return pairs;

  function search(startA, endA, startB, endB) {
    for (; startA < endA && startB < endB && a[startA] === b[startB]; startA += 1, startB += 1) pair(startA, startB);
    let tail = 0;
    while (startA < endA - tail && startB < endB - tail && a[endA - tail - 1] === b[endB - tail - 1]) tail += 1;
    const middle = findMiddle(startA, endA - tail, startB, endB - tail);
    if (middle !== null) {
      search(startA, middle[0], startB, middle[1]);
      search(middle[0], endA - tail, middle[1], endB - tail);
    }
    for (; tail > 0; tail -= 1) pair(endA - tail, endB - tail);
  }

  function pair(indexA, indexB) {
    pairs.push([indexesA[indexA], indexesB[indexB]]);
  }

  /** Returns a point half-way on a shortest path, where the searches from both corners meet; null when there is nothing to find. */
  function findMiddle(startA, endA, startB, endB) {
    const [n, m] = [endA - startA, endB - startB];
    if (n === 0 || m === 0) return null;
    const delta = n - m;
    for (let d = 0; ; d += 1) {
      if (d > STEP_LIMIT) return furthestPoint(startA, startB, d - 1);
      for (let k = -d; k <= d; k += 2) {
        let x = furthest(forward, d, k, n, m);
        while (x >= 0 && x < n && x - k < m && a[startA + x] === b[startB + x - k]) x += 1;
        forward[origin + k] = x;
        const other = Math.abs(delta - k) < d ? backward[origin + delta - k] : -1;
        if (delta % 2 !== 0 && x >= 0 && other >= 0 && x + other >= n) return [startA + x, startB + x - k];
      }
      for (let k = -d; k <= d; k += 2) {
        let x = furthest(backward, d, k, n, m);
        while (x >= 0 && x < n && x - k < m && a[endA - 1 - x] === b[endB - 1 - x + k]) x += 1;
        backward[origin + k] = x;
        const other = Math.abs(delta - k) <= d ? forward[origin + delta - k] : -1;
        if (delta % 2 === 0 && x >= 0 && other >= 0 && x + other >= n) return [endA - x, endB - x + k];
      }
    }
  }

  function furthestPoint(startA, startB, d) {
    let best = [0, 0];
    for (let k = -d; k <= d; k += 2) {
      const x = forward[origin + k];
      if (x >= 0 && x + x - k > best[0] + best[1]) best = [x, x - k];
    }
    return [startA + best[0], startB + best[1]];
  }

  /** The furthest column on diagonal `k` after `d` steps, before following equal items; -1 when the diagonal is outside the grid. */
  function furthest(reached, d, k, n, m) {
    if (d === 0) return 0;
    const down = k < d ? reached[origin + k + 1] : -1;
    const right = k > -d && reached[origin + k - 1] >= 0 ? reached[origin + k - 1] + 1 : -1;
    return Math.max(down >= 0 && down - k <= m ? down : -1, right <= n ? right : -1);
  }
}
