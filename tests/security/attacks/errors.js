// case: Error.prepareStackTrace
() => { let got; try { Error.prepareStackTrace = (error, frames) => { got = frames; return ''; }; } catch { /* frozen */ } const { stack } = new Error('x'); void stack; return got && got.flatMap(reach); }
// case: Error.captureStackTrace
() => { const holder = {}; if (typeof Error.captureStackTrace === 'function') Error.captureStackTrace(holder); return typeof holder.stack === 'string' ? [] : reach(holder.stack); }
// case: Error.stackTraceLimit
() => { try { Error.stackTraceLimit = 12345; } catch { /* frozen */ } return Error.stackTraceLimit === 12345 ? ['shared state'] : []; }
// case: a stack that names files of the machine
() => (/(\/|\\)(work|home|usr|site-packages|ratchet_mcp)|\.py\b/.test(new Error('x').stack) ? new Error('x').stack : '')
// case: the frames of a stack one by one
() => [...String(new Error('x').stack)].filter((letter) => typeof letter !== 'string')
// case: errors of host functions
() => [() => new URL('::'), () => atob('%'), () => structuredClone(() => 1), () => reportProgress('x'), () => fetch('http://x'), () => crypto.getRandomValues(1), () => new TextDecoder('x'), () => setTimeout(1), () => new Headers([1]), () => tasks.call.call(null, { toString() { throw new Error('mine'); } })]
  .flatMap((use) => { try { use(); return []; } catch (error) { return reach(error).concat(reach(error.constructor), reach(error.constructor.constructor('return this')()), Object.getOwnPropertyNames(error).filter((key) => /py|js/i.test(key))); } })
// case: the error of a failed call
async () => { try { await tasks.call('no-such-task'); } catch (error) { return reach(error).concat(reach(error.constructor.constructor('return this')()), error instanceof Error ? [] : ['another realm']); } return []; }
// case: an error of the engine's own
() => { const found = []; for (const use of [() => null.x, () => 'x'.repeat(2 ** 31), () => new Array(-1), () => BigInt('x'), () => (1).toFixed(1000), () => decodeURI('%'), () => new Intl.Locale('!')]) { try { use(); } catch (error) { found.push(...reach(error.constructor.constructor('return this')()), ...(error instanceof Error ? [] : ['another realm'])); } } return found; }
// case: SpiderMonkeyError, cause and jsError
() => { try { throw new Error('x', { cause: 1 }); } catch (error) { return ['jsError', 'pyError', '__traceback__', 'with_traceback', 'args', '__cause__'].filter((key) => error[key] !== undefined); } }
// case: an error whose every property is a trap
() => { const seen = []; throw new Proxy(new Error('x'), { get(target, key, receiver) { seen.push(receiver); return Reflect.get(target, key); }, getOwnPropertyDescriptor(target, key) { seen.push(key); return Reflect.getOwnPropertyDescriptor(target, key); } }); }
// case: an error that throws when it is read
() => { throw Object.defineProperties(new Error('x'), { name: { get() { throw 1; } }, message: { get() { throw 2; } }, stack: { get() { throw 3; } }, data: { get() { throw 4; } } }); }
// case: the stack accessor on foreign receivers
() => { const slot = Object.getOwnPropertyDescriptor(Error.prototype, 'stack'); if (!slot || !slot.get) return []; return [globalThis, console.log, Promise.resolve(), {}, fetch].map((value) => { try { return slot.get.call(value); } catch { return undefined; } }).filter((stack) => stack && typeof stack !== 'string').flatMap(reach); }
// case: a rejection that leaves through the host
async () => { Promise.reject({ get reason() { return reach(this); } }).catch(() => {}); await null; return []; }
