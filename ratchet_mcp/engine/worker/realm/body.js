// Bodies of requests and answers: what they are made of, and how they are read. Source: the WHATWG Fetch standard.
(realm) => {
  'use strict';

  const { URLSearchParams, Blob } = realm.globals;

  // One content in up to three forms, each made when it is first asked for. Nobody changes the bytes in place.
  class Content {
    #text; #bytes; #base64;
    constructor({ text, bytes, base64 }) { this.#text = text; this.#bytes = bytes; this.#base64 = base64; }
    get bytes() {
      if (this.#bytes === undefined) this.#bytes = this.#base64 === undefined ? realm.utf8(this.#text) : Uint8Array.fromBase64(this.#base64);
      return this.#bytes;
    }
    get base64() {
      if (this.#base64 === undefined) this.#base64 = this.#bytes === undefined ? realm.host.toUtf8(this.#text) : this.#bytes.toBase64();
      return this.#base64;
    }
    get text() { // without a byte order mark
      if (this.#text !== undefined && this.#base64 === undefined && this.#bytes === undefined) return this.#text.replace(/^\ufeff/, '').toWellFormed();
      const text = realm.host.fromUtf8(this.base64);
      return text.startsWith('\ufeff') ? text.slice(1) : text;
    }
  }
  realm.contentOf = (form) => new Content(form);

  const isPlain = (value) => {
    if (Array.isArray(value)) return true;
    const prototype = Object.getPrototypeOf(value);
    return prototype === null || prototype === Object.prototype;
  };

  // What a task gave as a body: `{ content, type }`. A plain object or array is sent as JSON, which the standard does not know.
  realm.extractBody = (value) => {
    if (typeof value === 'object' && value !== null) {
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { content: new Content({ bytes: realm.bytesOf(value).slice() }), type: null };
      if (realm.isBlob(value)) return { content: new Content({ bytes: realm.blobBytes(value) }), type: value.type || null };
      if (realm.isForm(value)) { const { bytes, type } = realm.encodeForm(value); return { content: new Content({ bytes }), type }; }
      if (value instanceof URLSearchParams) return { content: new Content({ text: `${value}` }), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
      if (value instanceof Promise) throw new TypeError('The body is a Promise that was not awaited');
      if (isPlain(value)) return { content: new Content({ text: jsonOf(value) }), type: 'application/json' };
    }
    return { content: new Content({ text: `${value}`.toWellFormed() }), type: 'text/plain;charset=UTF-8' };
  };

  const jsonOf = (value) => {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError('The value cannot be written as JSON');
    return text;
  };
  realm.jsonOf = jsonOf;

  // What a request or answer holds of its body: nothing, or a content that can be read once.
  realm.makeBody = (content) => ({ content, used: false, reader: undefined, stream: undefined });
  const isLocked = (body) => body.reader !== undefined;
  realm.isUnusable = (body) => body.content !== null && (body.used || isLocked(body));
  const NOTHING = new Content({ bytes: new Uint8Array(0) });
  const consume = (body) => {
    if (realm.isUnusable(body)) throw new TypeError('The body has been read already; use clone() to read it twice');
    if (body.content === null) return NOTHING;
    body.used = true;
    return body.content;
  };

  // `body` of a request or answer: a stream of a single chunk, as far as reading goes.
  let streamOf;
  class BodyStream {
    #body;
    static { streamOf = (body) => { const stream = new BodyStream(); stream.#body = body; return stream; }; }
    get locked() { return isLocked(this.#body); }
    getReader() {
      const body = this.#body;
      if (isLocked(body)) throw new TypeError('The stream is locked');
      let finished = body.used;
      const held = () => { if (body.reader !== reader) throw new TypeError('The reader was released'); };
      const reader = {
        async read() {
          held();
          if (finished || body.content.bytes.length === 0) { body.used = finished = true; return { done: true, value: undefined }; }
          body.used = finished = true;
          return { done: false, value: body.content.bytes.slice() };
        },
        async cancel() { held(); body.used = finished = true; },
        releaseLock() { if (body.reader === reader) body.reader = undefined; },
      };
      body.reader = reader;
      return reader;
    }
    async cancel() {
      if (isLocked(this.#body)) throw new TypeError('The stream is locked');
      this.#body.used = true;
    }
    async *[Symbol.asyncIterator]() {
      const reader = this.getReader();
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
      } finally { reader.releaseLock(); }
    }
    get [Symbol.toStringTag]() { return 'ReadableStream'; }
  }
  harden(BodyStream);
  realm.isBodyStream = (value) => value instanceof BodyStream;

  const BLOB_TYPE = /^[^\s/;]+\/[^\s/;]+/;

  // The members that requests and answers share. `bodyOf` and `typeOf` take them apart, and throw for anything else.
  realm.addBodyMembers = (prototype, bodyOf, typeOf) => {
    const members = {
      get body() {
        const body = bodyOf(this);
        if (body.content === null) return null;
        if (body.stream === undefined) body.stream = streamOf(body);
        return body.stream;
      },
      get bodyUsed() { const body = bodyOf(this); return body.content !== null && body.used; },
      async text() { return consume(bodyOf(this)).text; },
      async json() { return JSON.parse(consume(bodyOf(this)).text); },
      async bytes() { return consume(bodyOf(this)).bytes.slice(); },
      async arrayBuffer() { return consume(bodyOf(this)).bytes.slice().buffer; },
      async blob() {
        const { bytes } = consume(bodyOf(this)), type = typeOf(this) || '';
        return new Blob([bytes], { type: BLOB_TYPE.test(type) ? type.replace(/;\s+/g, ';') : '' });
      },
      async formData() { return realm.decodeForm(consume(bodyOf(this)).bytes, typeOf(this)); },
    };
    for (const [name, slot] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
      Object.defineProperty(prototype, name, { ...slot, enumerable: true, configurable: true });
    }
  };

  // The twin of a body that has not been read.
  realm.cloneBody = (body) => {
    if (realm.isUnusable(body)) throw new TypeError('The body has been read already; clone before reading it');
    return realm.makeBody(body.content);
  };
}
