// case: import in a string for Function
async () => reach(await Function('return im' + 'port("os")')())
// case: import with a comment between the word and the parenthesis
async () => reach(await eval('im' + 'port/**/("fs")'))
// case: import with a line break, tabs and a byte order mark
async () => { const found = []; for (const gap of ['\n', '\t', '\u2028', '\ufeff', '\u00a0', '/* */ ', '//x\n']) { try { found.push(...reach(await eval(`im${'port'}${gap}("fs")`))); } catch { /* refused */ } } return found; }
// case: import written with escapes
async () => { try { return reach(await eval('\\u0069mport("fs")')); } catch { return []; } }
// case: import.meta
() => { try { return reach(eval('im' + 'port.meta')); } catch { return []; } }
// case: a static import
() => { try { return reach(Function('im' + 'port fs from "fs"; return fs')()); } catch { return []; } }
// case: import in an asynchronous generator made from text
async () => { const F = Object.getPrototypeOf(async function* () {}).constructor; try { return reach((await F('yield im' + 'port("os")')().next()).value); } catch { return []; } }
// case: import with attributes, source and defer
async () => { const found = []; for (const code of ['im@port("x", { with: { type: "json" } })', 'im@port.source("x")', 'im@port.defer("x")']) { try { found.push(...reach(await eval(code.replace('@', '')))); } catch { /* refused */ } } return found; }
// case: HTML comments that hide code from a reader
() => { const found = []; for (const code of ['<!' + '-- x\nthis', '1\n--' + '> x\nthis', '/*\n*/--' + '>\nthis']) { try { found.push(...reach(eval(code))); } catch { /* refused */ } } return found; }
// case: a source map and source URL comments
() => reach(Function('//# sourceURL=file:///etc/passwd\n//# sourceMappingURL=http://127.0.0.1/x\nreturn this')())
// case: a hash-bang in text
() => { try { return reach(eval('#!/bin/sh\nthis')); } catch { return []; } }
// case: WebAssembly
async () => { const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]); try { return [String(await WebAssembly.compile(bytes))]; } catch { return []; } }
// case: WebAssembly through the prototype chain of what is there
() => Reflect.ownKeys(globalThis).filter((key) => /wasm|webassembly/i.test(String(key) + Object.prototype.toString.call(globalThis[key])))
// case: a module worker, a shared worker, a realm
() => ['Worker', 'SharedWorker', 'ShadowRealm', 'Realm', 'ModuleSource', 'StaticModuleRecord'].filter((name) => { try { return new (eval(name))('1'); } catch { return false; } })
// case: a template object that is shared with the host
() => { const tag = (strings) => strings; const first = tag`a`; return Object.isFrozen(first) ? reach(first) : ['not frozen']; }
