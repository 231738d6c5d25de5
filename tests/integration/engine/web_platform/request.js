// case: what it starts with
() => { const r = new Request('https://a.example/x'); return ['method', 'url', 'redirect', 'cache', 'credentials', 'mode', 'referrer', 'referrerPolicy', 'integrity', 'keepalive', 'destination', 'duplex', 'body', 'bodyUsed'].map((key) => r[key]).concat([[...r.headers], r.signal.aborted]) }
// case: methods are normalised as the standard has it
() => ['get', 'Post', 'PUT', 'delete', 'options', 'head', 'patch', 'PATCH', 'Custom'].map((method) => new Request('https://a.example', { method }).method)
// case: methods that are none
() => ['', 'a b', 'GET\n', 'CONNECT', 'trace', 'TRACK', 'é'].map((method) => { try { return new Request('https://a.example', { method }).method } catch (e) { return e.name } })
// case: URLs that cannot be fetched
() => ['nope', '/x', '', 'https://user@a.example', 'https://user:pw@a.example'].map((url) => { try { return new Request(url).url } catch (e) { return e.name } })
// case: a URL object
() => new Request(new URL('https://a.example/b?c#d')).url
// case: the fragment stays in url
() => new Request('https://a.example/#x').url
// case: without arguments
() => new Request()
// case: options of the wrong kind
() => [5, 'x', true].map((init) => { try { return new Request('https://a.example', init).method } catch (e) { return e.name } })
// case: no options
() => [null, undefined, {}].map((init) => new Request('https://a.example', init).method)
// case: redirect
() => ['follow', 'error', 'manual', 'odd', ''].map((redirect) => { try { return new Request('https://a.example', { redirect }).redirect } catch (e) { return e.name } })
// case: cache
() => ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached', 'odd'].map((cache) => { try { return new Request('https://a.example', { cache }).cache } catch (e) { return e.name } })
// case: credentials and mode
() => [{ credentials: 'omit' }, { credentials: 'odd' }, { mode: 'no-cors' }, { mode: 'same-origin' }, { mode: 'odd' }, { mode: 'navigate' }].map((init) => { try { const r = new Request('https://a.example', init); return [r.credentials, r.mode] } catch (e) { return e.name } })
// case: a body with GET and HEAD
() => ['GET', 'HEAD', 'get'].map((method) => { try { return new Request('https://a.example', { method, body: 'x' }).method } catch (e) { return e.name } })
// case: a body that is null
() => [null, undefined].map((body) => new Request('https://a.example', { body }).body)
// case: an empty body with GET
() => { try { return new Request('https://a.example', { body: '' }).method } catch (e) { return e.name } }
// case: types of bodies
() => ['text', new URLSearchParams('a=1'), new Blob(['x'], { type: 'a/b' }), new Blob(['x']), new Uint8Array(2), new ArrayBuffer(2)].map((body) => new Request('https://a.example', { method: 'POST', body }).headers.get('content-type'))
// case: a type of its own
() => new Request('https://a.example', { method: 'POST', body: 'x', headers: { 'Content-Type': 'a/b' } }).headers.get('content-type')
// case: reading the body
async () => { const make = (body) => new Request('https://a.example', { method: 'POST', body }); return [await make('a€').text(), await make('{"a":1}').json(), [...await make(new Uint8Array([1, 2])).bytes()], (await make('abc').arrayBuffer()).byteLength, (await make(new Blob(['x'], { type: 'a/b' })).blob()).type] }
// case: reading it twice
async () => { const r = new Request('https://a.example', { method: 'POST', body: 'x' }); await r.text(); const used = r.bodyUsed; try { await r.text() } catch (e) { return [used, e.name] } }
// case: reading no body
async () => { const r = new Request('https://a.example'); return [await r.text(), await r.text(), r.bodyUsed] }
// case: JSON that is none
async () => await new Request('https://a.example', { method: 'POST', body: '{' }).json()
// case: from a request
async () => { const a = new Request('https://a.example/x', { method: 'POST', headers: { a: '1' }, body: 'x', redirect: 'manual' }); const b = new Request(a); return [b.method, b.url, [...b.headers], b.redirect, a.bodyUsed, await b.text()] }
// case: from a request with changes
async () => { const a = new Request('https://a.example/x', { method: 'POST', headers: { a: '1' }, body: 'x' }); const b = new Request(a, { method: 'PUT', headers: { b: '2' }, body: 'y' }); return [b.method, [...b.headers], await b.text(), a.bodyUsed] }
// case: from a used request
async () => { const a = new Request('https://a.example', { method: 'POST', body: 'x' }); await a.text(); try { new Request(a); return 'fine' } catch (e) { return e.name } }
// case: from a used request with another body
async () => { const a = new Request('https://a.example', { method: 'POST', body: 'x' }); await a.text(); return await new Request(a, { body: 'y' }).text() }
// case: GET from a request with a body
() => { const a = new Request('https://a.example', { method: 'POST', body: 'x' }); try { new Request(a, { method: 'GET' }); return 'fine' } catch (e) { return e.name } }
// case: clone
async () => { const a = new Request('https://a.example', { method: 'POST', headers: { a: '1' }, body: 'x' }); const b = a.clone(); a.headers.set('a', '2'); return [await a.text(), await b.text(), b.headers.get('a'), b.method] }
// case: clone of a used one
async () => { const a = new Request('https://a.example', { method: 'POST', body: 'x' }); await a.text(); try { a.clone(); return 'fine' } catch (e) { return e.name } }
// case: the signal is another one that follows
() => { const c = new AbortController(); const r = new Request('https://a.example', { signal: c.signal }); const before = r.signal.aborted; c.abort('why'); return [r.signal === c.signal, before, r.signal.aborted, r.signal.reason] }
// case: signals of clones follow
() => { const c = new AbortController(); const r = new Request('https://a.example', { signal: c.signal }).clone(); c.abort('why'); return r.signal.reason }
// case: a signal that is null
() => new Request(new Request('https://a.example', { signal: AbortSignal.abort() }), { signal: null }).signal.aborted
// case: headers that are none
() => [{ headers: { 'a b': '1' } }, { headers: 5 }, { headers: null }].map((init) => { try { return [...new Request('https://a.example', init).headers] } catch (e) { return e.name } })
// case: properties that cannot be set
() => { const r = new Request('https://a.example'); try { r.url = 'x' } catch { /* strict */ } return r.url }
// case: a getter on another object
() => { try { return Object.getOwnPropertyDescriptor(Request.prototype, 'url').get.call({}) } catch (e) { return e.name } }
// case: tag
() => String(new Request('https://a.example'))
// case: the body is a stream
async () => { const r = new Request('https://a.example', { method: 'POST', body: 'abc' }); const parts = []; for await (const part of r.body) parts.push(...part); return [parts, r.bodyUsed] }
// case: fetch of what cannot be fetched
async () => { const seen = []; for (const call of [() => fetch('nope'), () => fetch(), () => fetch('https://a.example', { method: 'a b' }), () => fetch('https://a.example', { body: 'x' }), () => fetch('https://user:pw@a.example'), () => fetch('https://a.example', { headers: { a: 'x\ny' } }), () => fetch('https://a.example', 5)]) { try { await call(); seen.push('fine') } catch (e) { seen.push(e.name) } } return seen }
// case: fetch never throws at once
() => { const p = fetch('nope'); p.catch(() => {}); return p instanceof Promise }
// case: fetch of a used request
async () => { const a = new Request('https://a.example', { method: 'POST', body: 'x' }); await a.text(); await fetch(a) }
// case: only what is cached
() => [{ mode: 'same-origin' }, { mode: 'cors' }].map((init) => { try { return new Request('https://a.example', { cache: 'only-if-cached', ...init }).cache } catch (e) { return e.name } })
