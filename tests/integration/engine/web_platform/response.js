// case: what it starts with
() => { const r = new Response(); return [r.status, r.ok, r.statusText, r.type, r.url, r.redirected, r.body, r.bodyUsed, [...r.headers]] }
// case: status and text
() => { const r = new Response('x', { status: 404, statusText: 'Not Found', headers: { a: '1' } }); return [r.status, r.ok, r.statusText, [...r.headers]] }
// case: ok from 200 to 299
() => [200, 204, 299, 300, 400, 599].map((status) => new Response(null, { status }).ok)
// case: statuses that it cannot have
() => [0, 100, 101, 199, 600, 'x', 200.7, 65736, -1, null].map((status) => { try { return new Response(null, { status }).status } catch (e) { return e.name } })
// case: a body where there is none
() => [204, 205, 304].map((status) => { try { return new Response('x', { status }).status } catch (e) { return e.name } })
// case: an empty text where there is no body
() => { try { return new Response('', { status: 204 }).status } catch (e) { return e.name } }
// case: status texts that it cannot have
() => ['a\nb', '€', 'é', 'a\tb', '\0'].map((statusText) => { try { return new Response(null, { statusText }).statusText } catch (e) { return e.name } })
// case: options of the wrong kind
() => [5, 'x'].map((init) => { try { return new Response('x', init).status } catch (e) { return e.name } })
// case: no options
() => [null, undefined].map((init) => new Response('x', init).status)
// case: types of bodies
() => ['text', new URLSearchParams('a=1'), new Blob(['x'], { type: 'a/b' }), new Uint8Array(2), 5].map((body) => new Response(body).headers.get('content-type'))
// case: a body that is null or undefined
() => [new Response(null).body, new Response(undefined).body, new Response(null).headers.get('content-type')]
// case: text
async () => await new Response('a€😀').text()
// case: text without a byte order mark
async () => [(await new Response('\ufeffx').text()).length, (await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 65])).text()).length, await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 49])).json()]
// case: text that is no UTF-8
async () => await new Response(new Uint8Array([0xff, 0xe2, 0x82, 65, 0xf0, 0x9f, 0x98])).text()
// case: much text that is no UTF-8
async () => { const b = new Uint8Array(9000).fill(65); b.set([0xe2, 0x82, 65, 0xed, 0xa0, 0x80, 0xc0, 0xaf, 0xf5, 0xf0, 0x80, 0x80], 4000); b[8999] = 0xf0; const t = await new Response(b).text(); return [t.length, t.slice(3999, 4016), t.at(-1)] }
// case: every pair of bytes as text
async () => { const out = []; for (let a = 0x7f; a < 256; a += 3) for (let b = 0; b < 256; b += 5) out.push((await new Response(new Uint8Array([a, b, 65])).text()).split('').map((c) => c.charCodeAt(0)).join(' ')); return out.join(';') }
// case: json
async () => [await new Response('{"a":[1,null]}').json(), await new Response('5').json()]
// case: json that is none
async () => { try { await new Response('nope').json() } catch (e) { return e.name } }
// case: json of nothing
async () => { try { await new Response('').json() } catch (e) { return e.name } }
// case: json of no body
async () => { try { await new Response().json() } catch (e) { return e.name } }
// case: arrayBuffer
async () => { const b = await new Response('ab').arrayBuffer(); return [b instanceof ArrayBuffer, b.byteLength] }
// case: bytes
async () => { const b = await new Response(new Uint8Array([1, 2, 3]).subarray(1)).bytes(); return [b instanceof Uint8Array, [...b], b.buffer.byteLength] }
// case: blob
async () => { const b = await new Response('ab', { headers: { 'content-type': 'text/x; charset=UTF-8' } }).blob(); return [b instanceof Blob, b.size, await b.text()] }
// case: types of blobs
async () => { const out = []; for (const type of ['text/plain', 'TEXT/Html', 'application/json;charset=utf-8', 'odd', '']) out.push((await new Response('x', { headers: { 'content-type': type } }).blob()).type); return out }
// case: reading it twice
async () => { const r = new Response('x'); await r.text(); const out = [r.bodyUsed]; for (const how of ['text', 'json', 'bytes', 'arrayBuffer', 'blob', 'formData']) { try { await r[how]() } catch (e) { out.push(e.name) } } return out }
// case: reading no body twice
async () => { const r = new Response(null); await r.text(); await r.text(); return r.bodyUsed }
// case: bodyUsed is set at once
() => { const r = new Response('x'); const p = r.text(); return [r.bodyUsed, p instanceof Promise] }
// case: clone
async () => { const a = new Response('x', { status: 201, statusText: 'Made', headers: { a: '1' } }); const b = a.clone(); return [await a.text(), await b.text(), b.status, b.statusText, [...b.headers], b.bodyUsed] }
// case: clones have headers of their own
() => { const a = new Response('x', { headers: { a: '1' } }); const b = a.clone(); b.headers.set('a', '2'); return [a.headers.get('a'), b.headers.get('a')] }
// case: clone of a used one
async () => { const a = new Response('x'); await a.text(); try { a.clone(); return 'fine' } catch (e) { return e.name } }
// case: clone of a used one without a body
async () => { const a = new Response(null); await a.text(); return a.clone().status }
// case: Response.json
async () => { const r = Response.json({ a: [1] }, { status: 201, headers: { b: '2' } }); return [r.status, r.headers.get('content-type'), r.headers.get('b'), await r.text()] }
// case: Response.json with a type of its own
() => Response.json(1, { headers: { 'content-type': 'a/b' } }).headers.get('content-type')
// case: Response.json of what cannot be said
() => [undefined, () => 1, Symbol('x'), 10n].map((data) => { try { return Response.json(data).status } catch (e) { return e.name } })
// case: Response.json with a status without body
() => { try { return Response.json(1, { status: 204 }).status } catch (e) { return e.name } }
// case: Response.error
() => { const r = Response.error(); try { r.headers.set('a', 'b') } catch (e) { return [r.type, r.status, r.ok, r.statusText, r.body, e.name] } }
// case: Response.redirect
() => { const r = Response.redirect('https://a.example/x'); return [r.status, r.headers.get('location'), r.type, r.redirected] }
// case: Response.redirect with a status
() => [301, 302, 303, 307, 308, 200, 304, 'x'].map((status) => { try { return Response.redirect('https://a.example', status).status } catch (e) { return e.name } })
// case: Response.redirect to nowhere
() => { try { return Response.redirect('nope').status } catch (e) { return e.name } }
// case: headers of a redirect cannot be changed
() => { try { Response.redirect('https://a.example').headers.append('a', 'b'); return 'fine' } catch (e) { return e.name } }
// case: a copy of what was given
async () => { const bytes = new Uint8Array([65]); const r = new Response(bytes); bytes[0] = 66; return await r.text() }
// case: the body is a stream
async () => { const r = new Response('abc'); const reader = r.body.getReader(); const first = await reader.read(); const last = await reader.read(); return [[...first.value], first.done, last.done, r.bodyUsed, r.body.locked] }
// case: a locked body
async () => { const r = new Response('abc'); r.body.getReader(); try { await r.text() } catch (e) { return [e.name, r.bodyUsed] } }
// case: a released body
async () => { const r = new Response('abc'); r.body.getReader().releaseLock(); return await r.text() }
// case: two readers
() => { const r = new Response('abc'); r.body.getReader(); try { r.body.getReader(); return 'fine' } catch (e) { return e.name } }
// case: the stream is the same object
() => { const r = new Response('abc'); return r.body === r.body }
// case: a loop over the body
async () => { const parts = []; for await (const part of new Response('abc').body) parts.push(...part); return parts }
// case: the body after it was cancelled
async () => { const r = new Response('abc'); await r.body.cancel(); try { return await r.text() } catch (e) { return e.name } }
// case: clone of a locked one
() => { const r = new Response('abc'); r.body.getReader(); try { r.clone(); return 'fine' } catch (e) { return e.name } }
// case: a getter on another object
() => { try { return Object.getOwnPropertyDescriptor(Response.prototype, 'ok').get.call({}) } catch (e) { return e.name } }
// case: a method on another object
async () => await Response.prototype.text.call({})
// case: tag
() => String(new Response())
// case: without new
() => { try { return Response() } catch (e) { return e.name } }
// case: as JSON
() => JSON.stringify(new Response('x'))
// case: a symbol as the body
() => { try { return new Response(Symbol('x')) } catch (e) { return e.name } }
// case: a URL as the body
async () => await new Response(new URL('https://a.example/')).text()
// case: a large body
async () => { const text = 'aä€😀'.repeat(50000); const r = new Response(text); const bytes = await r.clone().bytes(); return [bytes.length, (await r.text()) === text, await new Response(bytes).text() === text] }
