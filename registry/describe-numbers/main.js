// Describes a list of numbers: centre, spread, quantiles, outliers, histogram. Form: module.exports of a function.

module.exports = function ({ values, quantiles = [0.05, 0.95], bins, outliers: wantOutliers = true }) {
  const numbers = Float64Array.from(values.filter((value) => value !== null));
  const sorted = numbers.toSorted();
  const count = sorted.length;
  const missing = values.length - count;
  const quantile = (p) => finiteOrNull(quantileOf(sorted, p));
  const [q1, median, q3] = [quantile(0.25), quantile(0.5), quantile(0.75)];
  const iqr = difference(q3, q1);
  const { mean, variance, skewness } = moments(sorted);

  return {
    count,
    missing,
    sum: count === 0 ? 0 : finiteOrNull(sumOf(sorted)),
    min: sorted[0] ?? null,
    max: sorted.at(-1) ?? null,
    range: difference(sorted.at(-1), sorted[0]),
    mean,
    median,
    modes: modesOf(sorted),
    variance,
    standard_deviation: variance === null ? null : Math.sqrt(variance),
    skewness,
    q1,
    q3,
    iqr,
    quantiles: quantiles.map((p) => ({ p, value: quantile(p) })),
    outliers: wantOutliers && iqr !== null ? outliersOf(values, q1 - 1.5 * iqr, q3 + 1.5 * iqr) : [],
    histogram: histogramOf(sorted, bins ?? defaultBins(count)),
  };
};

const MAX_OUTLIERS = 1000;

/** JSON has no Infinity: what is beyond the range of a double is null. */
function finiteOrNull(value) {
  return Number.isFinite(value) ? value + 0 : null;
}

function difference(a, b) {
  return a === null || b === null ? null : finiteOrNull(a - b);
}

/** Neumaier's compensated sum. */
function sumOf(numbers) {
  let [total, lost] = [0, 0];
  for (const value of numbers) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}

/** Sample variance (n - 1) and adjusted Fisher-Pearson skewness; two passes, so that a large mean costs no precision. */
function moments(numbers) {
  const n = numbers.length;
  if (n === 0) return { mean: null, variance: null, skewness: null };
  const total = sumOf(numbers);
  const mean = Number.isFinite(total) ? total / n : sumOf(numbers.map((value) => value / n));
  const deviations = numbers.map((value) => value - mean);
  const m2 = sumOf(deviations.map((value) => value ** 2));
  const m3 = sumOf(deviations.map((value) => value ** 3));
  const variance = n > 1 ? m2 / (n - 1) : NaN;
  const skewness = n > 2 && m2 > 0 ? (Math.sqrt(n * (n - 1)) / (n - 2)) * (m3 / n / (m2 / n) ** 1.5) : NaN;
  return { mean: finiteOrNull(mean), variance: finiteOrNull(variance), skewness: finiteOrNull(skewness) };
}

/** Linear interpolation between the neighbours (type 7 of Hyndman and Fan; the default of R, NumPy and spreadsheets). */
function quantileOf(sorted, p) {
  if (sorted.length === 0) return NaN;
  const position = (sorted.length - 1) * p;
  const below = Math.floor(position);
  const [low, high] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  const share = position - below;
  return low === high ? low : low * (1 - share) + high * share;
}

/** The most frequent values; none when every value occurs once. */
function modesOf(sorted) {
  let best = 2;
  let modes = [];
  for (let start = 0; start < sorted.length; ) {
    let end = start + 1;
    while (end < sorted.length && sorted[end] === sorted[start]) end += 1;
    if (end - start > best) modes = [];
    if (end - start >= best) {
      best = end - start;
      modes.push(sorted[start] + 0);
    }
    start = end;
  }
  return modes.slice(0, 100);
}

/** Tukey's fences: further than 1.5 interquartile ranges from the quartiles. */
function outliersOf(values, low, high) {
  const result = [];
  for (const [index, value] of values.entries()) {
    if (value !== null && (value < low || value > high) && result.push({ index, value }) === MAX_OUTLIERS) break;
  }
  return result;
}

/** Sturges' rule. */
function defaultBins(count) {
  return count === 0 ? 0 : Math.min(50, Math.ceil(Math.log2(count)) + 1);
}

/** Bins of equal width; each includes its lower edge, the last one its upper edge too. */
function histogramOf(sorted, bins) {
  if (sorted.length === 0 || bins === 0) return [];
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === high) return [{ from: low + 0, to: high + 0, count: sorted.length }];
  const edge = (index) => (index === bins ? high : low * (1 - index / bins) + high * (index / bins)) + 0;
  const result = [];
  let start = 0;
  for (let index = 0; index < bins; index += 1) {
    let end = start;
    while (end < sorted.length && (index === bins - 1 || sorted[end] < edge(index + 1))) end += 1;
    result.push({ from: edge(index), to: edge(index + 1), count: end - start });
    start = end;
  }
  return result;
}
