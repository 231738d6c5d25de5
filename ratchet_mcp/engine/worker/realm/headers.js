// Headers. Source: the WHATWG Fetch standard.
(realm) => {
  'use strict';

  const nameOf = (name) => {
    const text = `${name}`;
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`Invalid header name: ${realm.inspect(text)}`);
    return text.toLowerCase();
  };
  const valueOf = (value) => {
    const text = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\n\r]|[^\0-\xff]/.test(text)) throw new TypeError(`Invalid header value: ${realm.inspect(text)}`);
    return text;
  };

  class Headers {
    #map = new Map(); // name -> values in order
    constructor(init) {
      if (init === undefined) return;
      if (typeof init !== 'object' || init === null) throw new TypeError('Headers: expected an object, pairs or Headers');
      const entries = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
      for (const entry of entries) {
        const [name, value, ...more] = entry;
        if (more.length || entry.length === 1) throw new TypeError('Headers: each entry must be a pair of name and value');
        this.append(name, value);
      }
    }
    append(name, value) {
      const key = nameOf(name), text = valueOf(value);
      this.#map.set(key, [...(this.#map.get(key) || []), text]);
    }
    delete(name) { this.#map.delete(nameOf(name)); }
    get(name) { const values = this.#map.get(nameOf(name)); return values ? values.join(', ') : null; }
    getSetCookie() { return [...(this.#map.get('set-cookie') || [])]; }
    has(name) { return this.#map.has(nameOf(name)); }
    set(name, value) { this.#map.set(nameOf(name), [valueOf(value)]); }
    forEach(visit, self) { for (const [name, value] of this) visit.call(self, value, name, this); }
    *entries() {
      for (const key of [...this.#map.keys()].sort()) {
        if (key === 'set-cookie') for (const value of this.#map.get(key)) yield [key, value];
        else yield [key, this.get(key)];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }

  Object.assign(realm.globals, { Headers });
}
