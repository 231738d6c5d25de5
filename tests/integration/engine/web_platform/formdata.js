// case: append, get and getAll
() => { const f = new FormData(); f.append('a', 1); f.append('a', 'x'); return [f.get('a'), f.getAll('a'), f.get('b'), f.getAll('b'), f.has('a')] }
// case: set keeps the first place
() => { const f = new FormData(); for (const [k, v] of [['a', 1], ['b', 2], ['a', 3]]) f.append(k, v); f.set('a', 9); f.set('c', 4); return [...f] }
// case: delete
() => { const f = new FormData(); f.append('a', 1); f.delete('a'); f.delete('b'); return [...f] }
// case: a blob becomes a file
async () => { const f = new FormData(); f.append('a', new Blob(['x'], { type: 'text/plain' })); const file = f.get('a'); return [file instanceof File, file.name, file.type, await file.text()] }
// case: a blob with a name
() => { const f = new FormData(); f.append('a', new Blob(['x']), 'n.bin'); return f.get('a').name }
// case: a file keeps its name
() => { const f = new FormData(); f.append('a', new File(['x'], 'f.txt')); f.append('b', new File(['x'], 'f.txt'), 'g.txt'); return [f.get('a').name, f.get('b').name] }
// case: text with a file name
() => { new FormData().append('a', 'x', 'name') }
// case: too few arguments
() => ['append', 'set', 'get', 'getAll', 'has', 'delete', 'forEach'].map((name) => { try { new FormData()[name](); return 'fine' } catch (e) { return e.name } })
// case: an argument to the constructor
() => { try { new FormData({}); return 'fine' } catch (e) { return e.name } }
// case: iteration
() => { const f = new FormData(); f.append('b', '1'); f.append('a', '2'); const seen = []; f.forEach((value, key) => seen.push([key, value])); return [[...f], [...f.keys()], [...f.values()], seen] }
// case: as a body
async () => { const f = new FormData(); f.append('a', 'x\ny'); f.append('q"\n', '1'); f.append('f', new File(['data'], 'n"a.txt', { type: 'text/x' })); const r = new Response(f); const text = await r.text(); const boundary = r.headers.get('content-type').split('boundary=')[1]; return text.replaceAll(boundary, 'B') }
// case: the type of its body
() => /^multipart\/form-data; boundary=[-\w]+$/.test(new Response(new FormData()).headers.get('content-type'))
// case: back and forth
async () => { const f = new FormData(); f.append('a', 'ä\r\nb'); f.append('f', new File([new Uint8Array([0, 255, 13, 10])], 'ü.bin', { type: 'a/b' })); const g = await new Response(f).formData(); const file = g.get('f'); return [g.get('a'), file.name, file.type, [...await file.bytes()], [...g.keys()]] }
// case: an urlencoded body
async () => [...await new Response('a=1&b=x+y&a=%C3%A4', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()]
// case: an urlencoded body from parameters
async () => [...await new Response(new URLSearchParams({ a: '1 2' })).formData()]
// case: a body that is no form
async () => await new Response('a=1').formData()
// case: a multipart body without a boundary
async () => await new Response('x', { headers: { 'content-type': 'multipart/form-data' } }).formData()
// case: a multipart body that ends too early
async () => await new Response('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData()
// case: a multipart body by hand
async () => { const g = await new Response('--B\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--B--\r\n', { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData(); return [g.get('a'), g.get('f').name, g.get('f').type, await g.get('f').text()] }
// case: tag
() => String(new FormData())
