// case: Symbol.toPrimitive on what the host turns into text
() => { const seen = []; const spy = { [Symbol.toPrimitive](...args) { seen.push(this === spy ? null : this, ...args); return 'https://x/'; } }; new URL(spy); atob('eA=='); btoa(spy); reportProgress(spy === 1 ? 1 : 0, spy, spy); tasks.call(spy).catch(() => {}); return seen.filter((v) => v && typeof v !== 'string').flatMap(reach); }
// case: toJSON gets the host's objects
() => { const seen = []; const spy = { toJSON(...args) { seen.push(...args, this === spy ? null : this); return 1; } }; reportProgress(0, 'a', 'b', spy); tasks.call('x', spy).catch(() => {}); return seen.filter((v) => v && typeof v === 'object').flatMap(reach); }
// case: Symbol.hasInstance and Symbol.toStringTag
() => { const seen = []; const spy = { get [Symbol.toStringTag]() { seen.push(this); return 'x'; }, [Symbol.hasInstance](v) { seen.push(v); return true; } }; console.log(spy); structuredClone({ spy: 1 }); return seen.filter((v) => v !== spy).flatMap(reach); }
// case: an iterator that the host walks
() => { const seen = []; const spy = { [Symbol.iterator]() { seen.push(this); return { next(...args) { seen.push(...args); return { done: true }; }, return(...args) { seen.push(...args); } }; } }; new Headers(spy); new URLSearchParams(spy); return seen.filter((v) => v !== spy).flatMap(reach); }
// case: a proxy that logs every trap's receiver and arguments
() => {
  const seen = [];
  const target = { a: 1 };
  const handler = new Proxy({}, { get: (_, trap) => (...args) => { seen.push(...args.filter((arg) => arg !== target && arg !== proxy && typeof arg === 'object')); return Reflect[trap](...args); } });
  const proxy = new Proxy(target, handler);
  console.log(proxy); console.table(proxy); try { structuredClone(proxy); } catch { /* may refuse */ } reportProgress(0, 's', 'm', proxy); tasks.call('x', proxy).catch(() => {});
  return seen.flatMap(reach);
}
// case: a proxy as this, as callback and as option bag
() => { const seen = []; const spy = new Proxy(function () {}, { apply(_, self, args) { seen.push(self, ...args); } }); new Headers({ a: 'b' }).forEach(spy, null); new URLSearchParams('a=b').forEach(spy, null); const t = new EventTarget(); t.addEventListener('x', spy); t.dispatchEvent(new Event('x')); return seen.filter((v) => v && typeof v === 'object').flatMap((v) => reach(v).concat(reach(v.constructor))); }
// case: a revoked proxy everywhere
() => { const { proxy, revoke } = Proxy.revocable(function () {}, {}); revoke(); const out = []; for (const use of [() => console.log(proxy), () => setTimeout(proxy, 0), () => reportProgress(proxy), () => structuredClone(proxy), () => new URL(proxy), () => new Headers(proxy)]) { try { use(); } catch (error) { out.push(...reach(error), ...reach(error.constructor)); } } return out; }
// case: this of timer callbacks
() => new Promise((done) => { setTimeout(function () { done(this === undefined ? [] : [typeof this, ...Object.keys(this)]); }, 0); })
// case: this of microtasks, listeners and abort handlers
async () => { const seen = []; queueMicrotask(function () { seen.push(this); }); const c = new AbortController(); c.signal.onabort = function () { if (this !== c.signal) seen.push(this); }; c.abort(); await null; await null; return seen.filter((v) => v !== undefined).map((v) => typeof v); }
// case: arguments.callee.caller and function.caller
() => { const out = []; const peek = function () { for (const look of [() => arguments.callee.caller, () => peek.caller, () => peek.arguments]) { try { const found = look(); if (found) out.push(typeof found); } catch { /* strict */ } } }; const spy = { toString() { peek(); return 'x'; } }; new URL('https://x/').hash = spy; console.log({ get [Symbol.toStringTag]() { peek(); return 'x'; } }); [1].forEach(peek); return out; }
// case: a Function made from text that asks for its caller
() => { try { return typeof Function('return arguments.callee.caller')(); } catch { return 'undefined'; } }
// case: a getter on the global object that the wrapper reads
() => { Object.defineProperty(globalThis, 'later', { get() { return reach(this); }, configurable: true }); return globalThis.later; }
// case: replacing globals that the host might use again
async () => { for (const name of ['Object', 'JSON', 'Promise', 'Error', 'Array', 'Map', 'String', 'Symbol', 'Reflect']) { try { globalThis[name] = new Proxy(function () {}, { get() { return () => 'mine'; }, construct() { return {}; } }); } catch { /* frozen */ } } console.log({ a: [1] }); const copy = structuredClone({ a: [1] }); return copy.a && copy.a[0] === 1 ? [] : ['the host uses the task\'s globals']; }
// case: Symbol.unscopables of the global object
() => { try { Object.defineProperty(globalThis, Symbol.unscopables, { value: { console: true, python: true } }); } catch { /* refused */ } return typeof eval('typeof python === "undefined" ? undefined : python'); }
// case: with statements in every evaluator
() => ['with (globalThis) { python }', 'with ({}) { this }'].flatMap((code) => [eval, Function].flatMap((run) => { try { const made = run(code); return reach(typeof made === 'function' ? made() : made); } catch { return []; } }))
// case: over-recursion inside every host function
() => {
  const found = [], uses = [() => console.log('x'), () => reportProgress(0), () => tasks.call('x').catch(() => {}), () => setTimeout(() => {}, 0), () => new URL('https://x/'), () => crypto.randomUUID(), () => structuredClone([1]), () => atob('eA=='), () => new TextDecoder().decode(new Uint8Array(3)), () => Promise.reject(1).catch(() => {})];
  let left = 400;
  const dive = () => { try { dive(); } catch (error) { if (left-- > 0) { try { uses[left % uses.length](); } catch (inner) { found.push(...reach(inner), ...reach(inner.constructor('return this'))); } } throw error; } };
  try { dive(); } catch { /* too much recursion */ }
  return found;
}
