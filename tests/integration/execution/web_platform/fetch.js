// case: a response
async ({ u }) => { const r = await fetch(u + '/json?a=1#part'); return [r.ok, r.status, r.statusText, r.url.slice(u.length), r.redirected, r.type, r.bodyUsed, r.headers.get('Content-Type'), await r.json(), r.bodyUsed] }
// case: headers that come more than once
async ({ u }) => { const { headers: h } = await fetch(u + '/many'); return [h.get('x-many'), h.get('set-cookie'), h.getSetCookie(), [...h].filter(([n]) => n !== 'content-length'), h.has('X-MANY'), h.get('x-none')] }
// case: headers of a response cannot be changed
async ({ u }) => { const r = await fetch(u + '/json'); return ['set', 'append', 'delete'].map((how) => { try { r.headers[how]('a', 'b'); return 'done' } catch (e) { return e.name } }) }
// case: statuses
async ({ u }) => { const out = []; for (const s of [204, 400, 401, 404, 418, 500]) { const r = await fetch(`${u}/status/${s}`); out.push([r.status, r.ok, r.statusText, r.body === null, await r.text()]) } return out }
// case: a redirect
async ({ u }) => { const r = await fetch(u + '/redirect?to=/json%23there'); return [r.status, r.redirected, r.url.slice(u.length)] }
// case: a redirect that carries the fragment on
async ({ u }) => { const r = await fetch(u + '/redirect?to=/json#mine'); return [r.redirected, r.url.slice(u.length)] }
// case: a redirect that is not followed
async ({ u }) => { const r = await fetch(u + '/redirect?to=/json', { redirect: 'manual' }); return [r.status, r.redirected, r.headers.get('location')] }
// case: a redirect that is an error
({ u }) => fetch(u + '/redirect?to=/json', { redirect: 'error' }).then(() => 'fine', (e) => e instanceof Error)
// case: methods after redirects
async ({ u }) => { const out = []; for (const s of [301, 302, 303, 307, 308]) for (const method of ['POST', 'PUT']) { const r = await (await fetch(`${u}/redirect?status=${s}&to=/echo`, { method, body: 'x', headers: { 'X-A': '1' } })).json(); out.push([s, method, r.method, r.body, r.headers['content-type'] ?? null, r.headers['x-a']]) } return out }
// case: methods
async ({ u }) => { const out = []; for (const method of ['get', 'post', 'put', 'delete', 'options', 'PATCH']) out.push((await (await fetch(u + '/echo', { method })).json()).method); return out }
// case: methods that there are not
async ({ u }) => { const out = []; for (const method of ['TRACE', 'connect', 'TRACK', 'A B', '']) out.push(await fetch(u + '/echo', { method }).then((r) => r.status, (e) => e.name)); return out }
// case: HEAD
async ({ u }) => { const r = await fetch(u + '/json', { method: 'HEAD' }); return [r.status, r.body === null, await r.text()] }
// case: what is sent as a body
async ({ u }) => { const out = []; for (const body of ['text', new Uint8Array([104, 105]), new URLSearchParams({ q: 'a b' }), new Blob(['x'], { type: 'a/b' }), '', '€']) { const r = await (await fetch(u + '/echo', { method: 'POST', body })).json(); out.push([r.headers['content-type'] ?? null, r.headers['content-length'], r.body]) } return out }
// case: a form as a body
async ({ u }) => { const f = new FormData(); f.set('a', '1\n2'); f.set('f', new Blob(['x'], { type: 'text/plain' }), 'n"a.txt'); const r = await (await fetch(u + '/echo', { method: 'POST', body: f })).json(); const b = r.headers['content-type'].split('boundary=')[1]; return [r.headers['content-type'].split('boundary=')[0], r.body.replaceAll(b, 'B')] }
// case: no body to send
async ({ u }) => { const out = []; for (const body of [undefined, null]) { const r = await (await fetch(u + '/echo', { method: 'POST', body })).json(); out.push([r.headers['content-length'], r.headers['content-type'] ?? null]) } return out }
// case: a body where there can be none
async ({ u }) => { const out = []; for (const method of ['GET', 'HEAD']) out.push(await fetch(u + '/echo', { method, body: 'x' }).then(() => 'fine', (e) => e.name)); return out }
// case: headers that are sent
async ({ u }) => { const r = await (await fetch(u + '/echo', { headers: [['X-A', ' 1 '], ['x-a', '2'], ['X-Latin', 'é']] })).json(); return [r.headers['x-a'], r.headers['x-latin']] }
// case: headers that cannot be sent
async ({ u }) => { const out = []; for (const h of [{ 'a b': '1' }, { a: 'x\r\ny' }, { a: '€' }, { a: 'x\0' }, [['a']], { '': '1' }]) out.push(await fetch(u + '/echo', { headers: h }).then(() => 'sent', (e) => e.name)); return out }
// case: a Request
async ({ u }) => { const q = new Request(u + '/echo', { method: 'PUT', body: 'x', headers: { 'x-a': '1' } }); const a = await (await fetch(q)).json(); return [a.method, a.body, a.headers['x-a'], q.bodyUsed, await fetch(q).then(() => 'again', (e) => e.name)] }
// case: a Request with other options
async ({ u }) => { const q = new Request(u + '/echo', { method: 'PUT', body: 'x', headers: { 'x-a': '1' } }); const a = await (await fetch(q, { method: 'POST', body: 'y', headers: { 'x-b': '2' } })).json(); return [a.method, a.body, a.headers['x-a'] ?? null, a.headers['x-b']] }
// case: a URL object
async ({ u }) => { const url = new URL('/echo?x=1', u); url.searchParams.append('y', 'a b'); return (await (await fetch(url)).json()).target }
// case: URLs that are none
async () => { const out = []; for (const url of ['', 'x', '//x', 'http://', 'http://[::1', 'http://a:b@example.com/', 'file:///etc/passwd', 'ftp://example.com/']) out.push(await fetch(url).then(() => 'fine', (e) => e instanceof TypeError)); return out }
// case: compressed bodies
async ({ u }) => { const out = []; for (const path of ['/gzip', '/deflate', '/deflate/raw', '/chunked']) out.push((await (await fetch(u + path)).text()).length); return out }
// case: broken bodies
async ({ u }) => { const out = []; for (const path of ['/short', '/garbage', '/reset', '/reset/mid']) out.push(await fetch(u + path).then((r) => r.text()).then(() => 'whole', (e) => e instanceof Error)); return out }
// case: abort
async ({ u }) => { const c = new AbortController(); const p = fetch(u + '/slow', { signal: c.signal }); setTimeout(() => c.abort(), 10); return p.catch((e) => e.name) }
// case: abort with a reason
async ({ u }) => { const c = new AbortController(); const p = fetch(u + '/slow', { signal: c.signal }); setTimeout(() => c.abort('enough'), 10); return p.catch((e) => e) }
// case: abort before
({ u }) => fetch(u + '/json', { signal: AbortSignal.abort() }).catch((e) => e.name)
// case: a signal that times out
({ u }) => fetch(u + '/slow', { signal: AbortSignal.timeout(10) }).catch((e) => e.name)
// case: clone
async ({ u }) => { const r = await fetch(u + '/json'); const c = r.clone(); return [await r.text(), await c.json(), c.url.slice(u.length), c.status] }
// case: a body is read once
async ({ u }) => { const r = await fetch(u + '/json'); await r.text(); return [r.bodyUsed, await r.json().catch((e) => e.name)] }
// case: bytes, buffers and blobs
async ({ u }) => { const [a, b, c] = await Promise.all([1, 2, 3].map(() => fetch(u + '/json'))); const blob = await c.blob(); return [(await a.bytes()).length, (await b.arrayBuffer()).byteLength, blob.size, blob.type] }
// case: JSON that is none
async ({ u }) => (await fetch(u + '/chunked')).json().catch((e) => e.name)
