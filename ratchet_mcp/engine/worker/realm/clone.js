// structuredClone. Source: the HTML standard, for the types that tasks have.
(realm) => {
  'use strict';

  const { Headers, Request, Response, FormData, Blob, File } = realm.globals;
  const refuse = (what) => new realm.globals.DOMException(`${what} could not be cloned`, 'DataCloneError');
  const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

  const copyError = (value, copy) => {
    const twin = new (ERRORS[value.name] || Error)(value.message);
    if ('cause' in value) twin.cause = copy(value.cause);
    return twin;
  };

  const copyBlob = (blob) => {
    const { type, name, lastModified } = blob;
    return blob instanceof File ? new File([blob], name, { type, lastModified }) : new Blob([blob], { type });
  };

  const copyOf = (value, seen) => {
    if (typeof value === 'function') throw refuse(`function ${value.name}`);
    if (typeof value === 'symbol') throw refuse('a symbol');
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (twin) => { seen.set(value, twin); return twin; };
    const copy = (item) => copyOf(item, seen);
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = copy(value.buffer);
      const length = value instanceof DataView ? value.byteLength : value.length;
      return keep(new value.constructor(buffer, value.byteOffset, length));
    }
    if (value instanceof Map) {
      const twin = keep(new Map());
      for (const [key, item] of [...Map.prototype.entries.call(value)]) twin.set(copy(key), copy(item));
      return twin;
    }
    if (value instanceof Set) {
      const twin = keep(new Set());
      for (const item of [...Set.prototype.values.call(value)]) twin.add(copy(item));
      return twin;
    }
    if (realm.isBlob(value)) return keep(copyBlob(value));
    if ([Headers, Request, Response, FormData].some((Kind) => value instanceof Kind)) throw refuse(Object.prototype.toString.call(value));
    if (value instanceof Error) return keep(copyError(value, copy));
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw refuse(Object.prototype.toString.call(value));
    const twin = keep(Array.isArray(value) ? new Array(value.length) : {});
    for (const key of Object.keys(value)) Object.defineProperty(twin, key, { value: copy(value[key]), writable: true, enumerable: true, configurable: true });
    return twin;
  };

  realm.globals.structuredClone = (value) => copyOf(value, new Map());
}
