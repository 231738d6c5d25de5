// TextEncoder, TextDecoder (UTF-8, UTF-16, Latin-1) and base64. Source: the WHATWG Encoding and HTML standards.
(realm) => {
  'use strict';

  const utf8Bytes = (text) => {
    const bytes = [];
    for (const character of text.toWellFormed()) {
      const code = character.codePointAt(0);
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return bytes;
  };

  const LONG = 4096; // from here on the host is faster

  // A text as its bytes, and bytes as the text they are.
  realm.utf8 = (text) => (text.length < LONG ? Uint8Array.from(utf8Bytes(text)) : Uint8Array.fromBase64(realm.host.toUtf8(text)));
  realm.utf8Text = (bytes) => {
    const text = bytes.length < LONG ? utf8Text(bytes, false, () => 0xfffd)[0] : realm.host.fromUtf8(bytes.toBase64());
    return text.startsWith('\ufeff') ? text.slice(1) : text;
  };

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(input = '') { return realm.utf8(`${input}`); }
    encodeInto(source, destination) {
      let read = 0, written = 0;
      for (const character of `${source}`) {
        const bytes = utf8Bytes(character);
        if (written + bytes.length > destination.length) break;
        destination.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  // How many bytes a UTF-8 sequence has, and the range of its second byte, by its first byte.
  const lead = (byte) => {
    if (byte >= 0xc2 && byte <= 0xdf) return [2, 0x80, 0xbf];
    if (byte >= 0xe0 && byte <= 0xef) return [3, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf];
    if (byte >= 0xf0 && byte <= 0xf4) return [4, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf];
    return undefined;
  };

  // Returns the text and the number of bytes used; bytes of an unfinished sequence at the end are left when `more` may come.
  const utf8Text = (bytes, more, bad) => {
    const units = [], chunks = [];
    let at = 0;
    while (at < bytes.length) {
      const first = bytes[at];
      if (units.length > 8192) chunks.push(String.fromCharCode(...units.splice(0)));
      if (first < 0x80) { units.push(first); at += 1; continue; }
      const shape = lead(first);
      if (!shape) { units.push(bad()); at += 1; continue; }
      const [length, low, high] = shape;
      let code = first & (length === 2 ? 31 : length === 3 ? 15 : 7), used = 1;
      for (; used < length && at + used < bytes.length; used++) {
        const byte = bytes[at + used];
        if (byte < (used === 1 ? low : 0x80) || byte > (used === 1 ? high : 0xbf)) break;
        code = (code << 6) | (byte & 63);
      }
      if (used < length) {
        if (at + used >= bytes.length && more) break;
        units.push(bad());
      } else if (code > 0xffff) units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 1023));
      else units.push(code);
      at += used;
    }
    chunks.push(String.fromCharCode(...units));
    return [chunks.join(''), at];
  };

  const utf16Text = (big) => (bytes, more, bad) => {
    const units = [], chunks = [];
    let at = 0;
    for (; at + 1 < bytes.length; at += 2) {
      if (units.length > 8192) chunks.push(String.fromCharCode(...units.splice(0)));
      units.push(big ? (bytes[at] << 8) | bytes[at + 1] : bytes[at] | (bytes[at + 1] << 8));
    }
    if (at < bytes.length && !more) { units.push(bad()); at = bytes.length; }
    chunks.push(String.fromCharCode(...units));
    const text = chunks.join('');
    if (!text.isWellFormed()) bad();
    return [text.toWellFormed(), at];
  };

  // 0x80 to 0x9f of windows-1252, which is what the standard means by latin1 and ascii.
  const HIGH = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';
  const latinText = (bytes) => {
    const letters = [];
    for (const byte of bytes) letters.push(byte >= 0x80 && byte < 0xa0 ? HIGH[byte - 0x80] : String.fromCharCode(byte));
    return [letters.join(''), bytes.length];
  };

  const DECODERS = {
    'utf-8': utf8Text, 'utf-16le': utf16Text(false), 'utf-16be': utf16Text(true), 'windows-1252': latinText,
  };
  const LABELS = {
    'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16': 'utf-16le', 'utf-16le': 'utf-16le', 'utf-16be': 'utf-16be',
    latin1: 'windows-1252', 'iso-8859-1': 'windows-1252', ascii: 'windows-1252', 'us-ascii': 'windows-1252', 'windows-1252': 'windows-1252', cp1252: 'windows-1252',
  };

  const bytesOf = (source) => {
    if (source === undefined) return new Uint8Array(0);
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    throw new TypeError('expected an ArrayBuffer or a view of one');
  };
  realm.bytesOf = bytesOf;

  class TextDecoder {
    #encoding; #fatal; #ignoreBom; #left = new Uint8Array(0); #started = false;
    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      this.#encoding = LABELS[`${label}`.trim().toLowerCase()];
      if (!this.#encoding) throw new RangeError(`The encoding '${label}' is not supported`);
      this.#fatal = Boolean(fatal);
      this.#ignoreBom = Boolean(ignoreBOM);
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBom; }
    decode(source, { stream = false } = {}) {
      const fresh = bytesOf(source);
      const bytes = new Uint8Array(this.#left.length + fresh.length);
      bytes.set(this.#left);
      bytes.set(fresh, this.#left.length);
      const bad = () => {
        if (this.#fatal) { this.#left = new Uint8Array(0); throw new TypeError(`The data is not valid ${this.#encoding}`); }
        return 0xfffd;
      };
      const whole = this.#encoding === 'utf-8' && !this.#fatal && !stream && bytes.length >= LONG;
      let [text, used] = whole ? [realm.host.fromUtf8(bytes.toBase64()), bytes.length] : DECODERS[this.#encoding](bytes, stream, bad);
      if (!this.#started && !this.#ignoreBom && this.#encoding !== 'windows-1252' && text.startsWith('\ufeff')) text = text.slice(1);
      this.#started = stream && (this.#started || used > 0);
      this.#left = stream ? bytes.slice(used) : new Uint8Array(0);
      return text;
    }
  }

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]));
  const invalid = (message) => new realm.globals.DOMException(message, 'InvalidCharacterError');

  const btoa = (data) => {
    const text = `${data}`;
    const out = [];
    for (let i = 0; i < text.length; i += 3) {
      const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)];
      if (a > 255 || b > 255 || c > 255) throw invalid('btoa: the string has characters outside of Latin-1');
      const three = (a << 16) | ((b || 0) << 8) | (c || 0);
      out.push(ALPHABET[three >> 18], ALPHABET[(three >> 12) & 63], i + 1 < text.length ? ALPHABET[(three >> 6) & 63] : '=', i + 2 < text.length ? ALPHABET[three & 63] : '=');
    }
    return out.join('');
  };

  const atob = (data) => {
    let text = `${data}`.replace(/[\t\n\f\r ]/g, '');
    if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '');
    if (text.length % 4 === 1) throw invalid('atob: the string is not correctly encoded');
    const out = [];
    let bits = 0, count = 0;
    for (const letter of text) {
      const value = VALUES.get(letter);
      if (value === undefined) throw invalid('atob: the string is not correctly encoded');
      bits = ((bits << 6) | value) & 0xffffff;
      count += 6;
      if (count >= 8) { count -= 8; out.push(String.fromCharCode((bits >> count) & 255)); }
    }
    return out.join('');
  };

  Object.assign(realm.globals, { TextEncoder, TextDecoder, atob, btoa });
}
