// URL and URLSearchParams. Parsing is the host's (ada, the parser of Node); the objects are ours. Source: the WHATWG URL standard.
(realm) => {
  'use strict';

  const encoder = new realm.globals.TextEncoder();
  const decoder = new realm.globals.TextDecoder('utf-8', { ignoreBOM: true });

  // application/x-www-form-urlencoded
  const escape = (text) => {
    let out = '';
    for (const byte of encoder.encode(text)) {
      const letter = String.fromCharCode(byte);
      if (/[A-Za-z0-9*\-._]/.test(letter)) out += letter;
      else out += byte === 32 ? '+' : '%' + byte.toString(16).toUpperCase().padStart(2, '0');
    }
    return out;
  };
  const unescape = (text) => {
    const bytes = [...encoder.encode(text.replaceAll('+', ' '))];
    const out = [];
    for (let i = 0; i < bytes.length; i++) {
      const hex = bytes[i] === 37 ? String.fromCharCode(bytes[i + 1] || 0, bytes[i + 2] || 0) : '';
      if (/^[0-9A-Fa-f]{2}$/.test(hex)) { out.push(parseInt(hex, 16)); i += 2; } else out.push(bytes[i]);
    }
    return decoder.decode(Uint8Array.from(out));
  };
  const parseQuery = (query) => query.split('&').filter((part) => part !== '').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [unescape(part), ''] : [unescape(part.slice(0, at)), unescape(part.slice(at + 1))];
  });
  const pair = (item) => {
    const both = [...item];
    if (both.length !== 2) throw new TypeError('URLSearchParams: each entry must be a pair of name and value');
    return [`${both[0]}`.toWellFormed(), `${both[1]}`.toWellFormed()];
  };

  const link = Symbol('link'); // how a URL reaches the parameters it owns

  class URLSearchParams {
    #list = [];
    #changed = () => {};
    constructor(init = '') {
      if (typeof init === 'object' && init !== null) {
        const entries = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
        this.#list = Array.from(entries, pair);
      } else this.#list = parseQuery(`${init}`.toWellFormed().replace(/^\?/, ''));
    }
    static [link](params, query, changed) {
      params.#list = parseQuery(query);
      if (changed) params.#changed = changed;
    }
    get size() { return this.#list.length; }
    append(name, value) { this.#list.push(pair([name, value])); this.#changed(); }
    delete(name, value) {
      this.#list = this.#list.filter(([key, item]) => key !== `${name}` || (value !== undefined && item !== `${value}`));
      this.#changed();
    }
    get(name) { const found = this.#list.find(([key]) => key === `${name}`); return found ? found[1] : null; }
    getAll(name) { return this.#list.filter(([key]) => key === `${name}`).map(([, item]) => item); }
    has(name, value) { return this.#list.some(([key, item]) => key === `${name}` && (value === undefined || item === `${value}`)); }
    set(name, value) {
      const entry = pair([name, value]), at = this.#list.findIndex(([key]) => key === entry[0]);
      if (at < 0) this.#list.push(entry);
      else this.#list = this.#list.filter(([key], i) => key !== entry[0] || i === at).map((item, i) => (i === at ? entry : item));
      this.#changed();
    }
    sort() { this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(visit, self) { for (const [name, value] of this) visit.call(self, value, name, this); }
    *entries() { for (let i = 0; i < this.#list.length; i++) yield [...this.#list[i]]; }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#list.map(([name, value]) => `${escape(name)}=${escape(value)}`).join('&'); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
  }
  const { [link]: relink } = URLSearchParams;
  delete URLSearchParams[link];

  const parse = (url, base = '', changed = '', value = '') => {
    const text = realm.host.parseUrl(url.toWellFormed(), base.toWellFormed(), changed, value.toWellFormed());
    return text ? JSON.parse(text) : undefined;
  };

  realm.parseUrl = (url) => parse(url);

  class URL {
    #parts;
    #params = new URLSearchParams();
    constructor(url, base) {
      this.#parts = parse(`${url}`, base === undefined ? '' : `${base}`);
      if (!this.#parts) throw new TypeError(`Invalid URL: ${realm.inspect(`${url}`)}`);
      relink(this.#params, this.#parts.search.slice(1), () => {
        const query = this.#params.toString();
        this.#parts = parse(this.#parts.href, '', 'search', query ? `?${query}` : '') || this.#parts;
      });
    }
    static canParse(url, base) { return parse(`${url}`, base === undefined ? '' : `${base}`) !== undefined; }
    static parse(url, base) { return URL.canParse(url, base) ? new URL(url, base) : null; }
    get href() { return this.#parts.href; }
    set href(value) {
      const parts = parse(`${value}`);
      if (!parts) throw new TypeError(`Invalid URL: ${realm.inspect(`${value}`)}`);
      this.#parts = parts;
      relink(this.#params, parts.search.slice(1));
    }
    get origin() { return this.#parts.origin; }
    get searchParams() { return this.#params; }
    static {
      for (const name of ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
        Object.defineProperty(URL.prototype, name, {
          get() { return this.#parts[name]; },
          set(value) {
            this.#parts = parse(this.#parts.href, '', name, `${value}`) || this.#parts;
            if (name === 'search') relink(this.#params, this.#parts.search.slice(1));
          },
          enumerable: true, configurable: true,
        });
      }
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
  }

  Object.assign(realm.globals, { URL, URLSearchParams });
}
