// Counts what a text is made of. Form: a function expression.
(function (input, context) {
  const { text, top_words: topWords = 10, words_per_minute: wordsPerMinute = 238, ignore_common_words: ignoreCommon = false } = input;

  // Scripts that are written without spaces: each character counts as a word, as word processors do.
  const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}";
  const LETTER = `(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}]`;
  // Apostrophes, hyphens and decimal points hold a word together ("don't", "well-known", "3.14").
  const WORD = new RegExp(`[${UNSPACED}]|(?:${LETTER})+(?:['’\\-](?:${LETTER})+|(?<=\\p{N})[.,](?=\\p{N})(?:${LETTER})+)*`, "gu");
  // What a reader sees as one character: a base with its marks, emoji joined by ZWJ, and flags.
  const GRAPHEME =
    /\r\n|\p{Regional_Indicator}{2}|\P{M}[\p{M}\p{Emoji_Modifier}\u{E0020}-\u{E007F}]*(?:\u200D\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}]*)*|\p{M}/gu;

  const words = text.match(WORD) ?? [];
  const paragraphs = text
    .replace(/\r\n?/g, "\n")
    .split(/\n[^\S\n]*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== "");
  const sentences = paragraphs.reduce((count, paragraph) => count + countSentences(paragraph), 0);
  const codePoints = countCodePoints(text);
  const counts = countWords(words);

  return {
    characters: countMatches(text.normalize("NFC"), GRAPHEME),
    code_points: codePoints,
    characters_without_spaces: codePoints - countMatches(text, /\s/gu),
    utf8_bytes: countUtf8Bytes(text),
    words: words.length,
    unique_words: counts.size,
    sentences,
    paragraphs: paragraphs.length,
    lines: text === "" ? 0 : countMatches(text, /\r\n|\r|\n/g) + 1,
    longest_word: words.reduce((longest, word) => (word.length > longest.length ? word : longest), ""),
    average_word_length: round(words.reduce((sum, word) => sum + countCodePoints(word), 0) / words.length),
    average_sentence_length: round(words.length / sentences),
    reading_time_seconds: Math.ceil((words.length / wordsPerMinute) * 60),
    flesch_reading_ease: readingEase(),
    top_words: mostFrequent(),
  };

  function countMatches(string, pattern) {
    let count = 0;
    for (const _ of string.matchAll(pattern)) count += 1;
    return count;
  }

  function countCodePoints(string) {
    let count = 0;
    for (const _ of string) count += 1;
    return count;
  }

  function countUtf8Bytes(string) {
    let bytes = 0;
    for (const character of string) {
      const code = character.codePointAt(0);
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
    return bytes;
  }

  /** A mark ends a sentence when space or the end follows; the dot of an abbreviation, of an initial or before a small letter does not. */
  function countSentences(paragraph) {
    const ABBREVIATIONS = new Set(["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "e.g", "i.e", "cf", "gen", "sgt", "capt"]);
    const END = /(?<![.!?…])[.!?…]+["'”’»)\]]*(?=\s|$)|[。！？]+["”’」』）]*/gu;
    const HAS_WORD = /[\p{L}\p{N}]/u;
    let count = 0;
    let start = 0;
    for (const match of paragraph.matchAll(END)) {
      const end = match.index + match[0].length;
      if (match[0] === "." && end < paragraph.length) {
        const before = paragraph.slice(Math.max(start, match.index - 20), match.index).match(/[\p{L}.]+$/u)?.[0] ?? "";
        if (ABBREVIATIONS.has(before.toLowerCase()) || /^(?:\p{Lu}\.)*\p{Lu}$/u.test(before)) continue;
        if (/^\s+\p{Ll}/u.test(paragraph.slice(end, end + 20))) continue;
      }
      if (HAS_WORD.test(paragraph.slice(start, match.index))) count += 1;
      start = end;
    }
    return HAS_WORD.test(paragraph.slice(start)) ? count + 1 : count;
  }

  function countWords(list) {
    const result = new Map();
    for (const word of list) {
      const key = word.toLowerCase();
      result.set(key, (result.get(key) ?? 0) + 1);
    }
    return result;
  }

  function mostFrequent() {
    const COMMON = new Set(
      ("a about after all also an and any are as at be because been but by can could did do for from had has have he her him his how i if in into " +
        "is it its just me more my no not of on one or our out she so some than that the their them then there these they this to up was we were " +
        "what when which who will with would you your").split(" "),
    );
    return [...counts]
      .filter(([word]) => !ignoreCommon || !COMMON.has(word))
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, topWords)
      .map(([word, count]) => ({ word, count }));
  }

  /** Flesch's formula is made for English, so it is left out when few words are written in plain Latin letters. */
  function readingEase() {
    const latin = words.filter((word) => /^[a-z'’-]+$/i.test(word));
    if (latin.length === 0 || latin.length < words.length / 2) return null;
    const syllables = latin.reduce((sum, word) => sum + countSyllables(word.toLowerCase()), 0);
    return round(206.835 - 1.015 * (words.length / sentences) - 84.6 * (syllables / latin.length));
  }

  function countSyllables(word) {
    const trimmed = word.replace(/(?:[^laeiouy]es|[^td]ed|[^laeiouy]e)$/, (ending) => ending[0]);
    return Math.max(1, (trimmed.match(/[aeiouy]{1,2}/g) ?? []).length);
  }

  function round(value) {
    return Number.isFinite(value) ? Math.round(value * 100) / 100 : 0;
  }
})
