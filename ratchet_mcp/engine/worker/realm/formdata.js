// FormData, and multipart/form-data in both directions. Source: the WHATWG XHR and HTML standards, RFC 7578.
(realm) => {
  'use strict';

  const { File } = realm.globals;
  const expect = (given, count, method) => {
    if (given < count) throw new TypeError(`FormData.${method}: ${count} argument${count > 1 ? 's' : ''} required, but only ${given} present`);
  };

  const entry = (method, name, value, filename, named) => {
    const key = `${name}`.toWellFormed();
    if (!realm.isBlob(value)) {
      if (named) throw new TypeError(`FormData.${method}: a file name needs a Blob`);
      return [key, `${value}`.toWellFormed()];
    }
    if (value instanceof File && !named) return [key, value];
    const options = value instanceof File ? { type: value.type, lastModified: value.lastModified } : { type: value.type };
    return [key, new File([value], named ? `${filename}` : value instanceof File ? value.name : 'blob', options)];
  };

  let entriesOf;

  class FormData {
    #list = [];
    constructor(form) {
      if (form !== undefined) throw new TypeError('FormData: there are no forms here; append the fields');
    }
    static { entriesOf = (form) => form.#list; }
    append(name, value, filename) {
      expect(arguments.length, 2, 'append');
      this.#list.push(entry('append', name, value, filename, arguments.length > 2));
    }
    set(name, value, filename) {
      expect(arguments.length, 2, 'set');
      const item = entry('set', name, value, filename, arguments.length > 2);
      const at = this.#list.findIndex(([key]) => key === item[0]);
      if (at < 0) this.#list.push(item);
      else this.#list = this.#list.filter(([key], i) => key !== item[0] || i === at).map((old, i) => (i === at ? item : old));
    }
    delete(name) { expect(arguments.length, 1, 'delete'); this.#list = this.#list.filter(([key]) => key !== `${name}`); }
    get(name) { expect(arguments.length, 1, 'get'); const found = this.#list.find(([key]) => key === `${name}`); return found ? found[1] : null; }
    getAll(name) { expect(arguments.length, 1, 'getAll'); return this.#list.filter(([key]) => key === `${name}`).map(([, value]) => value); }
    has(name) { expect(arguments.length, 1, 'has'); return this.#list.some(([key]) => key === `${name}`); }
    forEach(visit, self) {
      if (typeof visit !== 'function') throw new TypeError('FormData.forEach: expected a function');
      for (const [name, value] of this.entries()) visit.call(self, value, name, this);
    }
    *entries() { for (let i = 0; i < this.#list.length; i++) yield [...this.#list[i]]; }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    get [Symbol.toStringTag]() { return 'FormData'; }
  }
  Object.defineProperty(FormData.prototype, Symbol.iterator, { value: FormData.prototype.entries, writable: true, configurable: true });

  const quoted = (text) => text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
  const lines = (text) => text.replace(/\r\n?|\n/g, '\r\n');

  // A form as bytes, with its Content-Type.
  realm.encodeForm = (form) => {
    const boundary = `----formdata-ratchet-${realm.randomHex(12)}`;
    const parts = [];
    for (const [name, value] of entriesOf(form)) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
      if (typeof value === 'string') parts.push(realm.utf8(`${head}\r\n\r\n${lines(value)}\r\n`));
      else {
        const about = `${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`;
        parts.push(realm.utf8(about), realm.blobBytes(value), realm.utf8('\r\n'));
      }
    }
    parts.push(realm.utf8(`--${boundary}--\r\n`));
    return { bytes: realm.joinBytes(parts), type: `multipart/form-data; boundary=${boundary}` };
  };

  const latin1 = (bytes) => {
    const parts = [];
    for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode.apply(null, bytes.subarray(i, i + 8192)));
    return parts.join('');
  };
  const unquoted = (text) => realm.utf8Text(Uint8Array.from(text, (letter) => letter.charCodeAt(0)))
    .replace(/%0A/gi, '\n').replace(/%0D/gi, '\r').replace(/%22/g, '"');
  const broken = () => new TypeError('The body is not the form that its Content-Type says');

  // Offsets into `text` are offsets into `bytes`: each letter is a byte.
  const readPart = (text, bytes, start, end, form) => {
    const gap = text.indexOf('\r\n\r\n', start);
    if (gap < 0 || gap > end) throw broken();
    const head = text.slice(start, gap);
    const disposition = /^content-disposition:[ \t]*form-data;(.*)$/im.exec(head);
    const name = disposition && /(?:^|[; \t])name="([^"]*)"/i.exec(disposition[1]);
    if (!name) throw broken();
    const filename = /(?:^|[; \t])filename="([^"]*)"/i.exec(disposition[1]);
    const value = bytes.slice(gap + 4, end);
    if (!filename) form.append(unquoted(name[1]), realm.utf8Text(value));
    else {
      const type = /^content-type:[ \t]*([^\r\n]*)$/im.exec(head);
      form.append(unquoted(name[1]), new File([value], unquoted(filename[1]), { type: type ? type[1].trim() : 'text/plain' }));
    }
  };

  // The form that these bytes are; throws a TypeError when they are none.
  realm.decodeForm = (bytes, type) => {
    const form = new FormData();
    const essence = (type || '').split(';')[0].trim().toLowerCase();
    if (essence === 'application/x-www-form-urlencoded') {
      for (const [name, value] of new realm.globals.URLSearchParams(realm.utf8Text(bytes).replace(/^\?/, '&?'))) form.append(name, value);
      return form;
    }
    const boundary = essence === 'multipart/form-data' && /;[ \t]*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(type);
    if (!boundary) throw broken();
    const fence = `--${boundary[1] || boundary[2]}`, text = latin1(bytes);
    let at = text.startsWith(fence) ? 0 : text.indexOf(`\r\n${fence}`) + 2;
    if (at === 1) throw broken();
    for (;;) {
      at += fence.length;
      if (text.startsWith('--', at)) return form;
      if (!text.startsWith('\r\n', at)) throw broken();
      const end = text.indexOf(`\r\n${fence}`, at);
      if (end < 0) throw broken();
      readPart(text, bytes, at + 2, end, form);
      at = end + 2;
    }
  };

  realm.isForm = (value) => value instanceof FormData;
  Object.assign(realm.globals, { FormData });
}
