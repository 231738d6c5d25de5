// case: the constructor of a function literal
() => reach((() => {}).constructor('return this')())
// case: the constructor of a constructor of a string
() => reach(''.constructor.constructor('return this')())
// case: the constructor reached from a number, an array, a regular expression and a symbol
() => [1, [], /x/, Symbol('s'), true, 1n].flatMap((value) => reach(value.constructor.constructor('return globalThis')()))
// case: the generator function's constructor
() => { const F = Object.getPrototypeOf(function* () {}).constructor; return reach(F('yield this')().next().value); }
// case: the asynchronous function's constructor
async () => { const F = Object.getPrototypeOf(async () => {}).constructor; return reach(await F('return this')()); }
// case: the asynchronous generator function's constructor
async () => { const F = Object.getPrototypeOf(async function* () {}).constructor; return reach((await F('yield this')().next()).value); }
// case: Function called through call, apply, bind and Reflect
() => [
  Function.call(null, 'return this'), Function.apply(null, ['return this']), Function.bind(null, 'return this')(),
  Reflect.construct(Function, ['return this']), Reflect.apply(Function, null, ['return this']),
].flatMap((made) => reach(made()))
// case: a subclass of Function
() => { class F extends Function {} return reach(new F('return this')()); }
// case: a function body that closes the wrapper around it
() => reach(Function('}), (function () { return this; })(), (function () {')())
// case: parameters that smuggle code
() => reach(Function('a = (function () { return this; })()', 'return a')())
// case: indirect eval
() => reach((0, eval)('this'))
// case: eval under another name, as a callback and as a tag
() => { const e = eval; return [e('this'), ['this'].map(e)[0], Reflect.apply(eval, undefined, ['globalThis']), e`this`[0]].flatMap(reach); }
// case: a direct eval that declares and reads variables of the host
() => reach(eval('var leaked = typeof realm === "undefined" ? 0 : realm; leaked || this'))
// case: the variables of the code around the task
() => ['run', 'realm', 'compartment', 'endowments', 'hostCall', 'parts', 'host', 'script', 'scopeHandler', 'evalScope'].filter((name) => {
  try { return eval(name) !== undefined; } catch { return false; }
})
// case: the arguments of the code around the task
() => { try { return reach(eval('arguments')[0]); } catch { return []; } }
// case: this of a plain call in sloppy-looking code
() => reach(function () { return this; }())
// case: this of an eval in a function made from text
() => reach(Function('return eval("this")')())
// case: a setter of __proto__ that swaps the constructor
() => { const o = {}; o.__proto__ = { constructor: Function }; return reach(o.constructor('return this')()); }
// case: the constructor of a bound function, a method, a getter and a class
() => {
  const getter = Object.getOwnPropertyDescriptor({ get x() { return 1; } }, 'x').get;
  return [(() => 1).bind(null), { m() {} }.m, getter, class {}].flatMap((f) => reach(f.constructor('return this')()));
}
// case: the constructor of what the host hands over
() => [console.log, fetch, setTimeout, reportProgress, tasks.call, structuredClone, atob, crypto.randomUUID, URL, TextDecoder, Headers, AbortController]
  .flatMap((f) => reach(f.constructor('return this')()))
// case: the constructor of the input and the context
function (canary, reach, context) { return [canary, context].flatMap((value) => reach(value.constructor.constructor('return this')())); }
