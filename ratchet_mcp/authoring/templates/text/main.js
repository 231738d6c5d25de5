const normalize = (text) => text.normalize("NFC").replace(/\r\n?/g, "\n").replace(/[ \t]+/g, " ").trim();

function main(input) {
  const { text, limit = 5 } = input;
  const clean = normalize(text);
  const words = clean.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const counts = new Map();
  for (const word of words) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const top = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit);
  return { text: clean, words: words.length, top: top.map(([word, count]) => ({ word, count })) };
}
