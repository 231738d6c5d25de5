// Blob and File. Source: the W3C File API.
(realm) => {
  'use strict';

  let bytesOfBlob, isBlob;
  const typeOf = (type) => (/^[ -~]*$/.test(type) ? type.toLowerCase() : '');

  const join = (parts) => {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  realm.joinBytes = join;

  const partBytes = (part, endings) => {
    if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return realm.bytesOf(part);
    if (isBlob(part)) return bytesOfBlob(part);
    const text = `${part}`;
    return realm.utf8(endings === 'native' ? text.replace(/\r\n?|\n/g, '\n') : text);
  };

  class Blob {
    #bytes; #type;
    constructor(parts, options) {
      const given = options === undefined || options === null ? {} : options;
      if (typeof given !== 'object' && typeof given !== 'function') throw new TypeError('Blob: expected options as an object');
      const { endings = 'transparent', type = '' } = given;
      if (!['transparent', 'native'].includes(`${endings}`)) throw new TypeError("Blob: endings must be 'transparent' or 'native'");
      if (parts !== undefined && (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function')) {
        throw new TypeError('Blob: expected a list of parts');
      }
      this.#bytes = join(Array.from(parts === undefined ? [] : parts, (part) => partBytes(part, `${endings}`)));
      this.#type = typeOf(`${type}`);
    }
    static {
      isBlob = (value) => typeof value === 'object' && value !== null && #bytes in value;
      bytesOfBlob = (blob) => blob.#bytes;
    }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    slice(start = 0, end = this.#bytes.length, type = '') {
      const part = new Blob();
      part.#bytes = this.#bytes.slice(Number(start), Number(end));
      part.#type = typeOf(`${type}`);
      return part;
    }
    async text() { return realm.utf8Text(this.#bytes); }
    async bytes() { return this.#bytes.slice(); }
    async arrayBuffer() { return this.#bytes.slice().buffer; }
    get [Symbol.toStringTag]() { return 'Blob'; }
  }

  class File extends Blob {
    #name; #modified;
    constructor(parts, name, options) {
      if (arguments.length < 2) throw new TypeError('File: parts and a name are required');
      super(parts, options);
      this.#name = `${name}`.toWellFormed();
      const modified = options === undefined || options === null ? undefined : options.lastModified;
      this.#modified = modified === undefined ? realm.now() : Math.trunc(Number(modified)) || 0;
    }
    get name() { return this.#name; }
    get lastModified() { return this.#modified; }
    get webkitRelativePath() { return ''; }
    get [Symbol.toStringTag]() { return 'File'; }
  }

  realm.isBlob = isBlob;
  realm.blobBytes = bytesOfBlob;
  Object.assign(realm.globals, { Blob, File });
}
