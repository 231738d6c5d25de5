// case: parts of every kind
async () => { const b = new Blob(['a€', new Uint8Array([98, 99]), new Uint8Array([1, 100, 2]).subarray(1, 2), new Uint8Array([101]).buffer, new Blob(['f']), 5]); return [b.size, await b.text(), b.type] }
// case: types
() => ['text/PLAIN', 'a b', 'ü', '\n', null].map((type) => new Blob([], { type }).type)
// case: no parts
() => [new Blob().size, new Blob([]).size]
// case: parts that are no list
() => ['x', 5, null, {}].map((parts) => { try { return new Blob(parts).size } catch (e) { return e.name } })
// case: options that are none
() => [5, 'x'].map((options) => { try { return new Blob([], options).size } catch (e) { return e.name } })
// case: slices
async () => { const b = new Blob(['0123456789']); return [await b.slice(2, 5).text(), await b.slice(-3).text(), await b.slice(5, 2).text(), await b.slice(0, -8).text(), b.slice(0, 1, 'A/B').type, await b.slice().text()] }
// case: bytes and buffer
async () => { const b = new Blob(['ab']); const one = new Uint8Array(await b.arrayBuffer()); one[0] = 0; return [[...new Uint8Array(await b.arrayBuffer())], [...await b.bytes()]] }
// case: text that is no UTF-8
async () => await new Blob([new Uint8Array([0xff, 65])]).text()
// case: a byte order mark
async () => (await new Blob(['\ufeffx']).text()).length
// case: endings
() => { try { return new Blob([], { endings: 'odd' }).size } catch (e) { return e.name } }
// case: a copy of what was given
async () => { const bytes = new Uint8Array([65]); const b = new Blob([bytes]); bytes[0] = 66; return await b.text() }
// case: files
async () => { const f = new File(['abc'], 'a.txt', { type: 'text/plain', lastModified: 42 }); return [f.name, f.size, f.type, f.lastModified, f instanceof Blob, await f.text(), typeof new File([], 'x').lastModified] }
// case: a file without a name
() => { try { return new File([]) } catch (e) { return e.name } }
// case: tags
() => [String(new Blob()), String(new File([], 'x'))]
// case: strings are well-formed
async () => [...await new Blob(['\ud800']).bytes()]
// case: structured clones
async () => { const b = structuredClone(new Blob(['x'], { type: 'a/b' })); const f = structuredClone({ f: new File(['y'], 'n', { lastModified: 5 }) }).f; return [b.type, await b.text(), f.name, f.lastModified, await f.text(), f instanceof File] }
// case: what has no structured clone
() => [new Response(), new Request('https://a.example'), new Headers(), new FormData()].map((value) => { try { structuredClone(value); return 'fine' } catch (e) { return e.name } })
