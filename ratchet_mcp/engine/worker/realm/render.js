// Evaluated in the debugger's own global: values of a task as JSON, without calling anything of the task.
//
// Every object is a mirror (Debugger.Object). A proxy is never asked, an accessor never called. What only built-in methods can tell, the
// realm's own methods tell, taken before anything else ran in it. `main` is the mirror of its global.
(main) => {
  'use strict';

  const MAX_DEPTH = 4, MAX_ITEMS = 50, MAX_TEXT = 1000, MAX_CHARACTERS = 12000, MAX_LISTED = 10000, MAX_PROTOTYPES = 8;

  const LOOK = `(() => {
    'use strict';
    const from = (holder, name) => Function.prototype.call.bind(holder.prototype[name]);
    const getter = (holder, name) => Function.prototype.call.bind(Object.getOwnPropertyDescriptor(holder.prototype, name).get);
    const next = (holder) => Function.prototype.call.bind(Object.getPrototypeOf(new holder()[Symbol.iterator]()).next);
    const time = from(Date, 'getTime'), source = getter(RegExp, 'source'), length = getter(Object.getPrototypeOf(Uint8Array), 'length');
    const flags = Object.entries({ d: 'hasIndices', g: 'global', i: 'ignoreCase', m: 'multiline', s: 'dotAll', u: 'unicode', v: 'unicodeSets', y: 'sticky' })
      .map(([letter, name]) => [letter, getter(RegExp, name)]);
    const pairs = from(Map, 'entries'), nextPair = next(Map), countPairs = getter(Map, 'size');
    const values = from(Set, 'values'), nextValue = next(Set), countValues = getter(Set, 'size');
    const names = new Map([Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, InternalError]
      .map((kind) => [kind.prototype, kind.name]));
    const nameOf = Function.prototype.call.bind(Map.prototype.get, names);
    return {
      Error: (prototype) => [nameOf(prototype)],
      Date: (it) => [time(it)],
      RegExp: (it) => {
        let text = '';
        for (let i = 0; i < flags.length; i++) if (flags[i][1](it)) text += flags[i][0];
        return [source(it), text];
      },
      List: (it) => [length(it)],
      Map: (it, most) => {
        const found = [countPairs(it)], walk = pairs(it);
        for (let step = nextPair(walk); !step.done && found.length < 2 * most; step = nextPair(walk)) {
          found[found.length] = step.value[0];
          found[found.length] = step.value[1];
        }
        return found;
      },
      Set: (it, most) => {
        const found = [countValues(it)], walk = values(it);
        for (let step = nextValue(walk); !step.done && found.length <= most; step = nextValue(walk)) found[found.length] = step.value;
        return found;
      },
    };
  })()`;
  const looks = main.executeInGlobal(LOOK).return;
  const look = (kind, mirror, most = 0) => {
    const found = looks.getOwnPropertyDescriptor(kind).value.call(undefined, mirror, most).return;
    return Array.from({ length: found.getOwnPropertyDescriptor('length').value }, (_, i) => found.getOwnPropertyDescriptor(String(i)).value);
  };

  const object = () => Object.create(null);
  const text = (value, most = MAX_TEXT) => (
    (value.length > most ? `${value.slice(0, most)}… (${value.length} characters)` : value).toWellFormed()
  );

  const primitive = (value) => {
    if (typeof value === 'string') return text(value);
    if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : `<${Object.is(value, -0) ? '-0' : value}>`;
    if (typeof value === 'bigint') return text(`<${value.toString().slice(0, MAX_TEXT)}n>`);
    if (typeof value === 'symbol') return `<symbol ${text(value.description || '', 100)}>`;
    return value === undefined ? '<undefined>' : value;
  };

  // A data property of a mirror or of its prototypes; `undefined` for everything that is not one.
  const property = (mirror, name) => {
    for (let at = mirror, i = 0; at && !at.isProxy && i < MAX_PROTOTYPES; at = at.proto, i++) {
      const slot = at.getOwnPropertyDescriptor(name);
      if (slot !== undefined) return slot.value;
    }
    return undefined;
  };

  // The prototypes of built-in errors have accessors where others have a name.
  const errorName = (mirror) => {
    for (let at = mirror, i = 0; at && !at.isProxy && i < MAX_PROTOTYPES; at = at.proto, i++) {
      const [known] = look('Error', at);
      if (typeof known === 'string') return known;
      const slot = at.getOwnPropertyDescriptor('name');
      if (slot !== undefined) return slot.value;
    }
    return undefined;
  };

  const error = (value) => {
    if (typeof value !== 'object' || value === null || value.isProxy || !value.isError) return describe(value);
    const name = errorName(value), message = property(value, 'message');
    const known = typeof name === 'string' && name ? text(name, 100) : 'Error';
    return typeof message === 'string' && message ? `${known}: ${text(message)}` : known;
  };

  // Anything in one line.
  const describe = (value) => {
    if (typeof value !== 'object' || value === null) return typeof value === 'string' ? JSON.stringify(text(value)) : String(primitive(value));
    const shown = show(value, { left: 500 }, MAX_DEPTH - 1, []);
    return typeof shown === 'string' ? shown : JSON.stringify(shown);
  };

  const functionName = (mirror) => {
    const slot = mirror.isProxy ? undefined : mirror.getOwnPropertyDescriptor('name');
    return slot && typeof slot.value === 'string' ? text(slot.value, 100) : '';
  };

  const className = (mirror) => {
    const maker = mirror.proto && !mirror.proto.isProxy ? property(mirror.proto, 'constructor') : undefined;
    if (typeof maker !== 'object' || maker === null || maker.isProxy) return mirror.proto === null ? null : mirror.class;
    return functionName(maker) || mirror.class;
  };

  const short = (mirror) => {
    const kind = mirror.class;
    if (mirror.isProxy) return '<proxy>';
    if (mirror.callable) return `<${mirror.isClassConstructor ? 'class' : 'function'} ${functionName(mirror)}`.trimEnd() + '>';
    if (mirror.isError) return `<${error(mirror)}>`;
    if (kind === 'Date') {
      const time = look('Date', mirror)[0];
      return Number.isNaN(time) ? '<Invalid Date>' : `<Date ${new Date(time).toISOString()}>`;
    }
    if (kind === 'RegExp') {
      const [source, flags] = look('RegExp', mirror);
      return `</${text(source, 200)}/${flags}>`;
    }
    if (mirror.isPromise) return mirror.promiseState === 'pending' ? '<promise>' : `<promise ${mirror.promiseState}>`;
    return undefined;
  };

  const isList = (mirror) => mirror.class === 'Array' || /^(?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array$/.test(mirror.class);
  const countOf = (mirror) => {
    if (mirror.class === 'Array') return mirror.getOwnPropertyDescriptor('length').value;
    if (mirror.class === 'Map' || mirror.class === 'Set') return look(mirror.class, mirror)[0];
    return isList(mirror) ? look('List', mirror)[0] : mirror.getOwnPropertyNamesLength();
  };

  const slotOf = (mirror, name, inner) => {
    const slot = mirror.getOwnPropertyDescriptor(name);
    if (slot === undefined) return '<empty>';
    return 'value' in slot ? inner(slot.value) : '<getter>';
  };

  const show = (value, budget, depth, above) => {
    if (typeof value !== 'object' || value === null) {
      const shown = primitive(value);
      budget.left -= typeof shown === 'string' ? shown.length + 2 : 6;
      return shown;
    }
    if (value.uninitialized) return '<not yet initialised>';
    if (value.optimizedOut || value.missingArguments) return '<optimised out>';
    const known = short(value);
    if (known !== undefined) {
      budget.left -= known.length;
      return known;
    }
    if (above.includes(value)) return '<circular>';
    const kind = value.class, count = countOf(value), list = isList(value);
    if (depth >= MAX_DEPTH || budget.left <= 0) return list || kind === 'Map' || kind === 'Set' ? `<${kind}(${count})>` : `<${className(value) || kind}>`;
    const inner = (item) => show(item, budget, depth + 1, [...above, value]);
    const room = () => budget.left > 0;
    if (list) return items(count, room, (i) => slotOf(value, String(i), inner));
    if (kind === 'Map' || kind === 'Set') return collection(value, kind, room, inner);
    return plain(value, count, budget, inner);
  };

  const items = (count, room, item) => {
    const shown = [];
    while (shown.length < count && shown.length < MAX_ITEMS && room()) shown.push(item(shown.length));
    if (shown.length < count) shown.push(`<${count - shown.length} more>`);
    return shown;
  };

  const collection = (mirror, kind, room, inner) => {
    const [count, ...entries] = look(kind, mirror, MAX_ITEMS);
    const width = kind === 'Map' ? 2 : 1, known = entries.length / width;
    const shown = object();
    shown[`<${kind}>`] = items(known, room, (i) => (width === 2 ? [inner(entries[2 * i]), inner(entries[2 * i + 1])] : inner(entries[i])));
    if (count > known) shown['<more>'] = count - known;
    return shown;
  };

  const plain = (mirror, count, budget, inner) => {
    const shown = object(), name = className(mirror);
    if (name !== 'Object' && name !== null) shown['<class>'] = name;
    if (count > MAX_LISTED) {
      shown['<more>'] = count;
      return shown;
    }
    let left = count;
    for (const key of mirror.getOwnPropertyNames()) {
      if (count - left >= MAX_ITEMS || budget.left <= 0) break;
      left -= 1;
      const label = text(key, 200);
      budget.left -= label.length + 4;
      shown[label] = slotOf(mirror, key, inner);
    }
    if (left > 0) shown['<more>'] = left;
    return shown;
  };

  const value = (given, budget) => {
    try { return show(given, budget, 0, []); } catch { return '<unreadable>'; }
  };

  return {
    object, text, value, name: functionName,
    budget: () => ({ left: MAX_CHARACTERS }),
    error: (given) => {
      try { return error(given); } catch { return '<unreadable>'; }
    },
  };
}
