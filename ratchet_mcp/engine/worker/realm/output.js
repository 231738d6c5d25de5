// From a task's result to JSON text, or to the reason why that is not possible.
(realm) => {
  'use strict';

  const MAX_SEARCH = 100000; // objects to look through for the place of a refused value

  const failure = (code, message, path = '$') => ({ failure: { code, message, path } });

  const refusal = (value) => {
    if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${value} cannot be written as JSON`;
    if (typeof value === 'bigint') return 'a BigInt cannot be written as JSON; convert it with Number() or String()';
    if (typeof value !== 'object') return undefined;
    if (value instanceof Map) return 'a Map cannot be written as JSON; convert it with Object.fromEntries(map) or [...map]';
    if (value instanceof Set) return 'a Set cannot be written as JSON; convert it with [...set]';
    if (value instanceof realm.globals.Response) return 'a Response; return await response.json() or await response.text()';
    if (realm.isBodyStream(value)) return 'the stream of a body; return await response.json() or await response.text()';
    if (value instanceof realm.globals.Request || realm.isBlob(value) || realm.isForm(value)) return `a ${Object.prototype.toString.call(value).slice(8, -1)} cannot be written as JSON`;
    if (value instanceof realm.globals.Headers && Object.keys(value).length === 0) return 'Headers cannot be written as JSON; convert them with Object.fromEntries(headers)';
    if (value instanceof Promise) return 'a Promise that was not awaited; use await, or await Promise.all(…) for several';
    return undefined;
  };

  const step = (key, inArray) => {
    if (inArray) return `[${key}]`;
    return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  };

  // The path of the object `wanted`, found breadth first.
  const pathTo = (root, wanted) => {
    const queue = [[root, '$']], seen = new Set();
    for (let i = 0; i < queue.length && i < MAX_SEARCH; i++) {
      const [value, path] = queue[i];
      if (value === wanted) return path;
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      for (const key of Object.keys(value)) queue.push([value[key], path + step(key, Array.isArray(value))]);
    }
    return '$';
  };

  const explain = (error) => {
    const message = realm.errorText(error);
    if (/cyclic object value/.test(message)) return failure('output_not_serializable', 'the output refers to itself (a cycle)');
    if (/too much recursion/.test(message)) return failure('output_too_large', 'the output is nested too deeply');
    if (/allocation size overflow|[Ii]nvalid string length/.test(message)) return failure('output_too_large', 'the output is too large to be written as JSON');
    return { thrown: error };
  };

  // JSON text in which a lone surrogate is U+FFFD, as it would be in UTF-8.
  realm.wellFormedJson = (text) => (
    /\\ud[89a-f]/.test(text) ? text.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (part) => (part.startsWith('\\ud') ? '\ufffd' : part)) : text
  );

  // How deeply arrays and objects are nested in JSON text.
  realm.depthOf = (text) => {
    let depth = 0, deepest = 0, inString = false;
    for (let i = 0; i < text.length; i++) {
      const letter = text[i];
      if (inString) {
        if (letter === '\\') i += 1;
        else if (letter === '"') inString = false;
      } else if (letter === '"') inString = true;
      else if (letter === '[' || letter === '{') deepest = Math.max(deepest, depth += 1);
      else if (letter === ']' || letter === '}') depth -= 1;
    }
    return deepest;
  };

  // `{ text }`, `{ failure: { code, message, path } }`, or `{ thrown }` when the task's own toJSON or getter threw.
  realm.stringify = (result, maxBytes) => {
    let refused;
    let text;
    let least = 0; // characters that the text has at least: too large is seen before the memory is used up
    try {
      text = JSON.stringify(result, function visit(key, value) {
        const reason = refusal(value);
        least += typeof value === 'string' ? value.length : value === undefined ? 0 : 1;
        if (reason === undefined && least <= maxBytes) return value;
        refused = { reason, holder: this, key };
        throw refused;
      });
    } catch (error) {
      if (refused === undefined || error !== refused) return explain(error);
      const { reason, holder, key } = refused;
      if (reason === undefined) return failure('output_too_large', `the output has more than ${maxBytes} characters as JSON, limits.output_bytes is ${maxBytes}`);
      if (key === '' && Object.is(holder[''], result)) return failure('output_not_serializable', reason);
      try {
        return failure('output_not_serializable', reason, realm.clip(pathTo(result, holder) + step(key, Array.isArray(holder))));
      } catch {
        return failure('output_not_serializable', reason);
      }
    }
    if (text === undefined) {
      if (result !== undefined) return failure('output_not_serializable', `${realm.inspect(result)} cannot be written as JSON`);
      text = 'null';
    }
    if (text.length > maxBytes) return failure('output_too_large', `the output has ${text.length} characters as JSON, limits.output_bytes is ${maxBytes}`);
    return { text: realm.wellFormedJson(text) };
  };
}
