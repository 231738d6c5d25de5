// case: attributes of Python objects on everything that the host hands over
() => {
  const marks = ['__class__', '__globals__', '__code__', '__self__', '__module__', '__dict__', '__init__', '__subclasses__', '__builtins__', '__call__', 'f_globals', 'gi_frame'];
  const seen = new Set(), found = [];
  const walk = (value, path, depth) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value) || depth > 5) return;
    seen.add(value);
    for (const mark of marks) { try { if (value[mark] !== undefined) found.push(`${path}.${mark}`); } catch { /* a getter */ } }
    for (const key of Reflect.ownKeys(value)) { const slot = Object.getOwnPropertyDescriptor(value, key); for (const part of ['value', 'get', 'set']) walk(slot[part], `${path}.${String(key)}`, depth + 1); }
    walk(Object.getPrototypeOf(value), `${path}.__proto__`, depth + 1);
  };
  walk(globalThis, 'globalThis', 0);
  return found;
}
// case: a native function of Python among the globals
() => { const found = []; for (const key of Reflect.ownKeys(globalThis)) { const value = globalThis[key]; if (typeof value === 'function' && /python|callPyFunc|method_/i.test(`${Function.prototype.toString.call(value)}${value.name}`)) found.push(String(key)); } return found; }
// case: names that a host forgot to take away
() => ['python', 'debuggerGlobal', 'Debugger', 'require', 'process', 'module', 'exports', 'global.process', 'WebAssembly', 'Compartment', 'lockdown', 'harden', 'hardenIntrinsics', 'repairIntrinsics', 'assert', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'XMLHttpRequest', 'WebSocket', 'Worker', 'importScripts', 'pmEval', 'bootstrap', 'Deno', 'Bun', 'load', 'read', 'print', 'quit', 'gc', 'os', 'redirect', 'snarf', 'newGlobal', 'evalcx', 'ShadowRealm', 'internalBinding', 'window', 'document', 'navigator', '__dirname', '__filename', '__loader__', 'uneval', 'dump', 'getSelfHostedValue', 'intrinsic_UnsafeGetReservedSlot'].filter((name) => { try { return eval(name) !== undefined; } catch { return false; } })
// case: reading the canary file with everything that reads files elsewhere
async (canary) => { const ways = ['require("fs").readFileSync(path, "utf8")', 'require("node:fs").readFileSync(path)', 'process.binding("fs")', 'read(path)', 'snarf(path)', 'os.file.readFile(path)', 'Deno.readTextFileSync(path)', 'python.eval("open")(path).read()', 'python.exec("import os")', 'load(path)']; const found = []; for (const way of ways) { try { found.push(Function('path', `return ${way}`)(canary.file)); } catch { /* not there */ } } return found; }
// case: reading the canary variable
(canary) => ['process.env', 'python.eval("__import__")("os").environ', 'os.getenv', 'Deno.env.toObject()', 'environment'].flatMap((way) => { try { return [Function('name', `return (${way})[name]`)(canary.variable)]; } catch { return []; } })
// case: knocking at the canary port
async (canary) => { const url = `http://127.0.0.1:${canary.port}/`; const found = []; for (const way of ['fetch(url)', 'new XMLHttpRequest().open("GET", url, false)', 'new WebSocket(url)', 'new EventSource(url)', 'navigator.sendBeacon(url)', 'importScripts(url)', 'new Worker(url)', 'fetch(new Request(url))']) { try { found.push(await Function('url', `return ${way}`)(url)); } catch { /* not there */ } } return found; }
// case: fetch with a url that hides another scheme
async (canary) => { const found = []; for (const url of [`file://${canary.file}`, `data:text/plain,x`, 'javascript:1', `blob:x`, `resource://gre/modules/x`]) { try { found.push(await fetch(url)); } catch { /* no network */ } } return found; }
// case: code in everything that takes text
() => { const found = []; for (const use of [() => setTimeout('globalThis.planted = 1'), () => setInterval('globalThis.planted = 1', 0), () => new URL('javascript:globalThis.planted=1'), () => queueMicrotask('globalThis.planted = 1')]) { try { use(); } catch { /* refused */ } } return globalThis.planted; }
// case: the method of a host call
async () => { const found = []; for (const name of ['../x', '__class__', 'tasks.call', 'os.system', { toString: () => '__import__' }]) { try { found.push(await tasks.call(name, {})); } catch { /* no such task */ } } return found; }
// case: prototype keys as names of tasks, labels, headers and listeners
async () => { const found = []; for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) { console.count(key); console.time(key); console.timeEnd(key); new Headers({ [key.replaceAll('_', 'x')]: '1' }); new EventTarget().addEventListener(key, () => {}); const error = new Error('x'); error.name = key; found.push(...reach(structuredClone(error).constructor.constructor('return this')())); try { await tasks.call(key); } catch { /* no such task */ } } return found; }
// case: a million random bytes behind a lying byteLength
() => { const view = new Uint8Array(4); Object.defineProperty(view, 'byteLength', { value: 2 ** 33 }); try { crypto.getRandomValues(view); } catch { /* refused */ } return []; }
// case: bytes beyond the end of a buffer
() => { const found = []; const buffer = new ArrayBuffer(8); for (const use of [() => new TextDecoder().decode({ buffer, byteOffset: 0, byteLength: 1e6, __proto__: Uint8Array.prototype }), () => new TextDecoder().decode(Object.setPrototypeOf({}, ArrayBuffer.prototype)), () => structuredClone(Object.create(Date.prototype)), () => structuredClone(Object.create(Map.prototype))]) { try { found.push(use()); } catch { /* refused */ } } return found.filter((text) => typeof text === 'string' && text.length > 8); }
// case: detached buffers
() => { const buffer = new ArrayBuffer(1 << 16); const view = new Uint8Array(buffer); if (buffer.transfer) buffer.transfer(); const out = []; for (const use of [() => new TextDecoder().decode(view), () => structuredClone(view), () => crypto.getRandomValues(view), () => console.log(view)]) { try { const got = use(); if (typeof got === 'string' && got.length) out.push(got.length); } catch { /* refused */ } } return out; }
// case: hostile arguments to every function of the console
() => { const evil = [new Proxy({}, { get() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; } }), { toString: null, [Symbol.toPrimitive]: 5 }, Object.create(null), Symbol('s'), '\ud800', 10n ** 400n]; const found = []; for (const name of Object.keys(console)) for (const value of evil) { try { console[name](value, value); } catch (error) { found.push(...reach(error), ...(error && error.constructor ? reach(error.constructor.constructor('return this')()) : [])); } } return found; }
// case: the console's functions on another console
() => { const got = []; const fake = { get write() { got.push(this); return undefined; } }; for (const name of Object.keys(console)) { try { console[name].call(fake, 'x'); } catch { /* refused */ } } return got.length ? ['it uses this'] : []; }
