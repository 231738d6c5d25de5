// A short text for any value, for console lines and error reports. Getters of plain objects are not called; hostile proxies cannot make it throw.
(realm) => {
  'use strict';

  const MAX_DEPTH = 4, MAX_ITEMS = 100, MAX_TEXT = 16384;
  const typeOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
  const quote = (text) => JSON.stringify(text);
  const simpleKey = /^[A-Za-z_$][\w$]*$/;

  const primitive = (value) => {
    if (typeof value === 'string') return quote(value.length > 2000 ? value.slice(0, 2000) + '…' : value);
    if (typeof value === 'bigint') return `${value}n`;
    if (Object.is(value, -0)) return '-0';
    return String(value);
  };

  // Errors are described by what their author would read; a getter that throws is caught by the callers.
  const errorText = (error) => {
    const name = `${error.name || 'Error'}`, message = `${error.message}`;
    return message ? `${name}: ${message}` : name;
  };

  const list = (open, items, close, total) => {
    if (total > items.length) items.push(`… ${total - items.length} more`);
    return items.length ? `${open} ${items.join(', ')} ${close}` : open + close;
  };

  const object = (value, depth, seen) => {
    if (seen.includes(value)) return '[Circular]';
    const next = [...seen, value];
    const inner = (item) => show(item, depth + 1, next);
    if (value instanceof Error) return `[${errorText(value)}]`;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (value instanceof Promise) return 'Promise {}';
    const tag = typeOf(value);
    if (depth >= MAX_DEPTH) return Array.isArray(value) ? '[Array]' : `[${tag}]`;
    if (value instanceof Map) {
      const items = [...Map.prototype.entries.call(value)].slice(0, MAX_ITEMS);
      return list(`Map(${value.size}) {`, items.map(([key, item]) => `${inner(key)} => ${inner(item)}`), '}', value.size);
    }
    if (value instanceof Set) {
      const items = [...Set.prototype.values.call(value)].slice(0, MAX_ITEMS);
      return list(`Set(${value.size}) {`, items.map(inner), '}', value.size);
    }
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      return list(`${tag}(${value.length}) [`, Array.from(value.subarray(0, MAX_ITEMS), inner), ']', value.length);
    }
    if (Array.isArray(value)) {
      const items = [];
      for (let i = 0; i < value.length && i < MAX_ITEMS; i++) items.push(slotText(value, String(i), inner));
      return list('[', items, ']', value.length);
    }
    const keys = Object.keys(value);
    const items = keys.slice(0, MAX_ITEMS).map((key) => `${simpleKey.test(key) ? key : quote(key)}: ${slotText(value, key, inner)}`);
    return list(tag === 'Object' ? '{' : `${tag} {`, items, '}', keys.length);
  };

  const slotText = (holder, key, inner) => {
    const slot = Object.getOwnPropertyDescriptor(holder, key);
    if (slot === undefined) return '<empty>';
    return 'value' in slot ? inner(slot.value) : '[Getter]';
  };

  const show = (value, depth, seen) => {
    try {
      if (typeof value === 'function') return `[Function${value.name ? ` ${String(value.name)}` : ''}]`;
      if (typeof value !== 'object' || value === null) return primitive(value);
      return object(value, depth, seen);
    } catch {
      return '[unreadable]';
    }
  };

  const clip = (text) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)` : text).toWellFormed();

  realm.clip = clip;
  realm.errorText = (error) => {
    try { return clip(errorText(error)); } catch { return 'Error'; }
  };
  realm.inspect = (value) => clip(show(value, 0, []));

  // One console line: %s %d %i %f %j %o %O %c are replaced when the first argument is a string.
  realm.format = (args) => {
    const rest = [...args];
    const text = (value) => (typeof value === 'string' ? value : show(value, 0, []));
    const parts = [];
    if (typeof rest[0] === 'string') {
      parts.push(rest.shift().replace(/%([sdifjoOc%])/g, (whole, kind) => {
        if (kind === '%') return '%';
        if (rest.length === 0) return whole;
        const value = rest.shift();
        if (kind === 'c') return '';
        if (kind === 's') return text(value);
        if (kind === 'd' || kind === 'f') return typeof value === 'object' ? 'NaN' : String(Number(value));
        if (kind === 'i') return typeof value === 'object' ? 'NaN' : String(Math.trunc(Number(value)));
        return show(value, 0, []);
      }));
    }
    return clip([...parts, ...rest.map(text)].join(' '));
  };
}
