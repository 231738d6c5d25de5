// case: a thenable as the result
() => ({ then(resolve, reject) { resolve(reach(resolve.constructor('return this')()).concat(reach(this), reach(reject))); } })
// case: a thenable that resolves with another thenable for ever
async () => { let depth = 0; const next = () => ({ then(resolve) { depth += 1; resolve(depth < 50 ? next() : reach(resolve)); } }); return next(); }
// case: a getter named then that runs in the host's frame
() => { let caller = []; const result = { get then() { try { caller = reach(arguments.callee.caller); } catch { /* strict */ } return undefined; } }; return Promise.resolve(result).then(() => caller); }
// case: the resolving functions of a promise
() => new Promise((resolve, reject) => { resolve(reach(resolve.constructor('return this')()).concat(Object.getOwnPropertyNames(reject).filter((key) => key !== 'length' && key !== 'name'))); })
// case: Promise.prototype.then on foreign objects
() => { try { return reach(Promise.prototype.then.call({ constructor: Function }, () => {})); } catch { return []; } }
// case: an executor of a promise subclass that the host constructs
async () => { const got = []; class Spy extends Promise { constructor(executor) { super(executor); got.push(executor); } } await Spy.resolve(1).then(() => {}); await Promise.all([Spy.resolve(1)]); return got.flatMap((f) => reach(f.constructor('return this')())); }
// case: withResolvers and try
async () => { const { promise, resolve } = Promise.withResolvers(); resolve(reach(resolve.constructor('return this')())); return (await promise).concat(await Promise.try(() => reach(globalThis))); }
// case: the asynchronous iterator's hidden wrapper
async () => { const seen = []; const source = { [Symbol.iterator]() { return { next(...args) { seen.push(this, ...args); return { done: true }; } }; } }; for await (const item of source) void item; return seen.filter((v) => v && typeof v === 'function').flatMap(reach); }
// case: a promise that survives the run
() => { globalThis.kept = new Promise(() => {}); return reach(globalThis.kept); }
// case: reasons of every kind in promises that are handled
async () => { const found = []; for (const reason of [null, undefined, Symbol('x'), 1n, new Date(NaN), new Proxy({}, {}), () => 1, new Uint8Array(2)]) { try { await Promise.reject(reason); } catch (got) { if (!Object.is(got, reason)) found.push(typeof got); } } return found; }
