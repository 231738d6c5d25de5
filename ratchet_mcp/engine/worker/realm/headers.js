// Headers. Source: the WHATWG Fetch standard.
(realm) => {
  'use strict';

  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  realm.isToken = (text) => TOKEN.test(text);

  const nameOf = (name) => {
    const text = `${name}`;
    if (!TOKEN.test(text)) throw new TypeError(`Invalid header name: ${realm.inspect(text)}`);
    return text.toLowerCase();
  };
  const valueOf = (value) => {
    const text = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\n\r]|[^\0-\xff]/.test(text)) throw new TypeError(`Invalid header value: ${realm.inspect(text)}`);
    return text;
  };
  const expect = (given, count, method) => {
    if (given < count) throw new TypeError(`Headers.${method}: ${count} argument${count > 1 ? 's' : ''} required, but only ${given} present`);
  };
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

  // Name and value of each entry of what a constructor was given: pairs, a record, or Headers.
  realm.pairsOf = (init, what) => {
    if (!isObject(init)) throw new TypeError(`${what}: expected an object, pairs or Headers`);
    if (init[Symbol.iterator] === undefined || init[Symbol.iterator] === null) {
      const record = [];
      for (const key of Reflect.ownKeys(init)) {
        const slot = Reflect.getOwnPropertyDescriptor(init, key);
        if (slot && slot.enumerable) record.push([key, init[key]]);
      }
      return record;
    }
    return Array.from(init, (entry) => {
      if (!isObject(entry)) throw new TypeError(`${what}: each entry must be a pair of name and value`);
      const pair = [...entry];
      if (pair.length !== 2) throw new TypeError(`${what}: each entry must be a pair of name and value`);
      return pair;
    });
  };

  let make, entriesOf;

  class Headers {
    #map = new Map(); // name -> values in order
    #sorted; // the entries as iteration shows them
    #immutable = false;
    constructor(init) {
      if (init !== undefined) for (const [name, value] of realm.pairsOf(init, 'Headers')) this.append(name, value);
    }
    static {
      // Headers that the host knows to be right; those of an answer cannot be changed.
      make = (pairs, immutable) => {
        const headers = new Headers();
        for (const [name, value] of pairs) headers.#map.set(name, [...(headers.#map.get(name) || []), value]);
        headers.#immutable = immutable;
        return headers;
      };
      entriesOf = (headers) => headers.#entries();
    }
    #entries() {
      if (this.#sorted) return this.#sorted;
      const entries = [];
      for (const name of [...this.#map.keys()].sort()) {
        const values = this.#map.get(name);
        if (name === 'set-cookie') for (const value of values) entries.push([name, value]);
        else entries.push([name, values.join(', ')]);
      }
      return (this.#sorted = entries);
    }
    #change() {
      if (this.#immutable) throw new TypeError('The headers of an answer cannot be changed');
      this.#sorted = undefined;
    }
    append(name, value) {
      expect(arguments.length, 2, 'append');
      const key = nameOf(name), text = valueOf(value);
      this.#change();
      const values = this.#map.get(key);
      if (values) values.push(text);
      else this.#map.set(key, [text]);
    }
    delete(name) {
      expect(arguments.length, 1, 'delete');
      const key = nameOf(name);
      this.#change();
      this.#map.delete(key);
    }
    get(name) {
      expect(arguments.length, 1, 'get');
      const values = this.#map.get(nameOf(name));
      return values ? values.join(', ') : null;
    }
    getSetCookie() { return [...(this.#map.get('set-cookie') || [])]; }
    has(name) {
      expect(arguments.length, 1, 'has');
      return this.#map.has(nameOf(name));
    }
    set(name, value) {
      expect(arguments.length, 2, 'set');
      const key = nameOf(name), text = valueOf(value);
      this.#change();
      this.#map.set(key, [text]);
    }
    forEach(visit, self) {
      if (typeof visit !== 'function') throw new TypeError('Headers.forEach: expected a function');
      for (const [name, value] of this.entries()) visit.call(self, value, name, this);
    }
    *entries() { // live: a header that is added while iterating is met
      for (let i = 0; i < this.#entries().length; i++) yield [...this.#entries()[i]];
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }
  Object.defineProperty(Headers.prototype, Symbol.iterator, { value: Headers.prototype.entries, writable: true, configurable: true });

  realm.makeHeaders = make;
  realm.headerEntries = entriesOf; // throws for anything but Headers
  Object.assign(realm.globals, { Headers });
}
