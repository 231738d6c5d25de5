// case: a new member of every prototype
() => [Object, Function, Array, String, Promise, RegExp, Map, Error, URL, Headers].filter((C) => { try { C.prototype.planted = 1; return C.prototype.planted === 1; } catch { return false; } }).map((C) => C.name)
// case: redefining a member that the host calls
() => [[Array.prototype, 'push'], [String.prototype, 'slice'], [JSON, 'stringify'], [Map.prototype, 'get'], [Promise.prototype, 'then'], [Object, 'keys'], [RegExp.prototype, 'exec']]
  .filter(([holder, key]) => Reflect.defineProperty(holder, key, { value: () => 'mine' })).map(([, key]) => key)
// case: __defineGetter__ on Object.prototype
() => { try { Object.prototype.__defineGetter__('kind', () => 'planted'); } catch { /* frozen */ } return ({}).kind; }
// case: __proto__ and constructor.prototype in parsed JSON
() => { JSON.parse('{"__proto__": {"planted": 1}, "constructor": {"prototype": {"planted": 1}}}'); return ({}).planted; }
// case: setPrototypeOf on the intrinsics
() => [Object.prototype, Function.prototype, Array.prototype, Math, JSON, Promise].filter((value) => { try { return Reflect.setPrototypeOf(value, { planted: 1 }) && value.planted; } catch { return false; } }).length
// case: the global object's prototype
() => reach(Object.getPrototypeOf(globalThis)).concat(Object.getPrototypeOf(globalThis) === Object.prototype ? [] : ['another realm'])
// case: a species constructor that sees what the host makes from an array
() => { const seen = []; class Spy extends Array { static get [Symbol.species]() { return function (...args) { seen.push(...args.filter((x) => typeof x === 'function')); return []; }; } } console.log(new Spy(3)); structuredClone(new Spy(3)); return seen.flatMap(reach); }
// case: a species constructor of a promise that the host follows
async () => {
  const seen = [];
  class Spy extends Promise { static get [Symbol.species]() { return function (executor) { executor((v) => seen.push(v), (v) => seen.push(v)); return new Promise(executor); }; } }
  const lost = Spy.reject(new Error('x')); lost.catch(() => {}); await lost.catch(() => {});
  return seen.flatMap(reach);
}
// case: a constructor on a typed array that structuredClone would call
() => { let got; const view = new Uint8Array(2); view.constructor = function (...args) { got = args; return view; }; structuredClone(view); return got && got.flatMap(reach); }
// case: the promise constructor's accessor with foreign receivers
() => { const { get, set } = Object.getOwnPropertyDescriptor(Promise.prototype, 'constructor'); const hits = [{}, null, 1, new Proxy({}, {}), Promise.resolve()].map((value) => { try { return get.call(value); } catch { return undefined; } }); try { set.call(Promise, 1); set.call(Promise.prototype, Function); } catch { /* frozen */ } return hits.filter((hit) => hit && hit !== Promise).concat(Promise.prototype.constructor === Promise ? [] : ['replaced']); }
// case: private members of the host's classes through subclasses
() => { class Mine extends URL { peek() { return this['#parts'] || this.parts; } } return new Mine('https://example.com').peek(); }
// case: the link between a URL and its parameters
() => reach(Reflect.ownKeys(URLSearchParams).filter((key) => typeof key === 'symbol').map((key) => URLSearchParams[key])[0])
// case: prototypes of iterators, generators and segmenters
() => [[].values(), new Map().entries(), ''[Symbol.iterator](), 'a'.matchAll(/a/g), [].values().map((x) => x), Iterator.from({ next() {} }), new Intl.Segmenter('en').segment('a'), new Intl.Segmenter('en').segment('a')[Symbol.iterator]()]
  .filter((value) => Reflect.set(Object.getPrototypeOf(value), 'planted', 1, Object.getPrototypeOf(value)))
  .map((value) => Object.prototype.toString.call(value))
// case: legacy statics of RegExp
() => { /s(ecre)t/.exec('secret'); return RegExp.$1 || RegExp.input || RegExp['$&'] || RegExp.lastMatch; }
// case: the compile method of a regular expression
() => { try { return /x/.compile && reach(RegExp.prototype.compile.call(/x/, 'y').constructor.constructor('return this')()); } catch { return []; } }
// case: Symbol.for keys that lead to the machinery
() => Reflect.ownKeys(Object).concat(Reflect.ownKeys(globalThis)).filter((key) => typeof key === 'symbol').flatMap((key) => { try { return reach(Object[key] || globalThis[key]); } catch { return []; } })
