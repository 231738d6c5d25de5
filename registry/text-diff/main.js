// Compares two texts by lines, words or characters. Form: export default of a named function.

// After this many insertions and removals without a meeting, the alignment goes on from the best place it has reached:
// the difference is still right, but may be longer than needed.
const STEP_LIMIT = 256;

const SPLIT = {
  line: /[^\n]*\n|[^\n]+$/g,
  word: /[\p{L}\p{N}\p{M}_]+|\s+|[^\p{L}\p{N}\p{M}_\s]/gu,
  character: /[^]/gu,
};

function main(input) {
  const { before, after, granularity = "line", context = 3, before_name: beforeName = "before", after_name: afterName = "after" } = input;
  const left = before.match(SPLIT[granularity]) ?? [];
  const right = after.match(SPLIT[granularity]) ?? [];
  const numbers = new Map();
  const numberOf = (unit) => {
    const key = comparable(unit, input);
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key);
  };
  const { pairs, minimal } = alignSequences(left.map(numberOf), right.map(numberOf));
  const regions = changedRegions(pairs, left.length, right.length);
  const changes = describeChanges(regions, left, right, granularity);

  return {
    equal: regions.length === 0,
    similarity: left.length + right.length === 0 ? 1 : Math.round((20000 * pairs.length) / (left.length + right.length)) / 10000,
    unchanged: pairs.length,
    removed: left.length - pairs.length,
    added: right.length - pairs.length,
    minimal,
    changes,
    diff: granularity === "line" ? unifiedDiff(regions, left, right, context, beforeName, afterName) : markedText(regions, left, right),
  };
}

function comparable(unit, { ignore_case: ignoreCase = false, ignore_whitespace: ignoreWhitespace = false }) {
  const text = ignoreWhitespace ? unit.trim().replace(/\s+/g, " ") : unit;
  return ignoreCase ? text.toLowerCase() : text;
}

/** Returns `{fromA, toA, fromB, toB}` of each stretch between the pairs. */
function changedRegions(pairs, lengthA, lengthB) {
  const regions = [];
  let [fromA, fromB] = [0, 0];
  for (const [i, j] of [...pairs, [lengthA, lengthB]]) {
    if (i > fromA || j > fromB) regions.push({ fromA, toA: i, fromB, toB: j });
    [fromA, fromB] = [i + 1, j + 1];
  }
  return regions;
}

/** Tells each change with the lines it starts on, counted from 1. */
function describeChanges(regions, left, right, granularity) {
  const lineOf = (units) => {
    let [line, at] = [1, 0];
    return (index) => {
      for (; at < index; at += 1) line += granularity === "line" ? 1 : units[at].split("\n").length - 1;
      return line;
    };
  };
  const [lineBefore, lineAfter] = [lineOf(left), lineOf(right)];
  return regions.map(({ fromA, toA, fromB, toB }) => ({
    before_line: lineBefore(fromA),
    after_line: lineAfter(fromB),
    removed: left.slice(fromA, toA).join(""),
    added: right.slice(fromB, toB).join(""),
  }));
}

function markedText(regions, left, right) {
  const parts = [];
  let at = 0;
  for (const { fromA, toA, fromB, toB } of regions) {
    parts.push(left.slice(at, fromA).join(""));
    if (toA > fromA) parts.push(`[-${left.slice(fromA, toA).join("")}-]`);
    if (toB > fromB) parts.push(`{+${right.slice(fromB, toB).join("")}+}`);
    at = toA;
  }
  return [...parts, left.slice(at).join("")].join("");
}

/** The format of `diff -u`: regions that are nearer than twice the context share a hunk. */
function unifiedDiff(regions, left, right, context, beforeName, afterName) {
  if (regions.length === 0) return "";
  const hunks = [];
  for (const region of regions) {
    const last = hunks.at(-1)?.at(-1);
    if (last !== undefined && region.fromA - last.toA <= 2 * context) hunks.at(-1).push(region);
    else hunks.push([region]);
  }
  const output = [`--- ${beforeName}\n`, `+++ ${afterName}\n`];
  const write = (mark, line) => output.push(line.endsWith("\n") ? `${mark}${line}` : `${mark}${line}\n\\ No newline at end of file\n`);
  for (const hunk of hunks) {
    const [first, last] = [hunk[0], hunk.at(-1)];
    const lead = Math.min(context, first.fromA, first.fromB);
    const tail = Math.min(context, left.length - last.toA, right.length - last.toB);
    const span = (from, to) => `${to === from ? from : from + 1}${to - from === 1 ? "" : `,${to - from}`}`;
    output.push(`@@ -${span(first.fromA - lead, last.toA + tail)} +${span(first.fromB - lead, last.toB + tail)} @@\n`);
    let at = first.fromA - lead;
    for (const { fromA, toA, fromB, toB } of hunk) {
      for (; at < fromA; at += 1) write(" ", left[at]);
      for (; at < toA; at += 1) write("-", left[at]);
      for (let index = fromB; index < toB; index += 1) write("+", right[index]);
    }
    for (; at < last.toA + tail; at += 1) write(" ", left[at]);
  }
  return output.join("");
}

// ------------------------------------------------------------------ alignment (Myers 1986, linear space)

/** Returns the index `pairs` of a longest common subsequence of two lists of numbers, and whether it surely is a longest one. */
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
  let minimal = true;
  search(0, a.length, 0, b.length);
  return { pairs, minimal };

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
    minimal = false;
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

export default main;
