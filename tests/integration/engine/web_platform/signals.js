// case: abort
() => { const c = new AbortController(); const seen = []; c.signal.onabort = () => seen.push('handler'); c.signal.addEventListener('abort', (e) => seen.push(e.type)); c.abort(); c.abort('again'); return [seen, c.signal.aborted, c.signal.reason.name] }
// case: a reason of its own
() => { const c = new AbortController(); c.abort('why'); return [c.signal.reason, AbortSignal.abort(5).reason] }
// case: throwIfAborted
() => { try { AbortSignal.abort().throwIfAborted() } catch (e) { return [e.name, e.code, e instanceof DOMException] } }
// case: any of an aborted one
() => [AbortSignal.any([AbortSignal.abort('x')]).reason, AbortSignal.any([]).aborted]
// case: any follows
() => { const a = new AbortController(), b = new AbortController(); const s = AbortSignal.any([a.signal, b.signal]); b.abort('b'); return [s.aborted, s.reason] }
// case: any with what is no signal
() => { try { AbortSignal.any([{}]); return 'fine' } catch (e) { return e.name } }
// case: not to be constructed
() => { try { new AbortSignal(); return 'fine' } catch (e) { return e.name } }
// case: timeout
async () => { const s = AbortSignal.timeout(1); await new Promise((done) => s.addEventListener('abort', done)); return [s.reason.name, s.reason.code] }
// case: once and removal
() => { const c = new AbortController(); const seen = []; const f = () => seen.push('f'); c.signal.addEventListener('abort', f); c.signal.removeEventListener('abort', f); c.signal.addEventListener('abort', () => seen.push('g'), { once: true }); c.abort(); return seen }
// case: fetch with an aborted signal
async () => await fetch('https://example.com/', { signal: AbortSignal.abort() })
// case: fetch with a reason
async () => { try { await fetch('https://example.com/', { signal: AbortSignal.abort(new RangeError('mine')) }) } catch (e) { return e.message } }
// case: fetch with what is no signal
async () => await fetch('https://example.com/', { signal: {} })
