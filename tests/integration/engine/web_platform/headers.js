// case: names are lower-cased and values are trimmed
() => [...new Headers({ 'X-A': '  1\t', 'content-TYPE': 'text/plain' })]
// case: entries are sorted by name
() => [...new Headers({ b: '1', a: '2', C: '3' }).keys()]
// case: append joins with a comma
() => { const h = new Headers(); h.append('a', '1'); h.append('A', '2'); return [h.get('a'), [...h]] }
// case: set replaces all values
() => { const h = new Headers([['a', '1'], ['a', '2']]); h.set('A', '3'); return h.get('a') }
// case: get of what is not there
() => [new Headers().get('a'), new Headers().has('a')]
// case: delete
() => { const h = new Headers({ a: '1' }); h.delete('A'); h.delete('b'); return [...h] }
// case: set-cookie is never joined in iteration
() => { const h = new Headers(); h.append('set-cookie', 'a=1'); h.append('Set-Cookie', 'b=2'); h.append('x', '1'); return [h.getSetCookie(), [...h], h.get('set-cookie')] }
// case: getSetCookie of none
() => new Headers().getSetCookie()
// case: set of set-cookie replaces
() => { const h = new Headers(); h.append('set-cookie', 'a=1'); h.set('set-cookie', 'b=2'); return h.getSetCookie() }
// case: from pairs
() => [...new Headers([['a', 1], ['b', null]])]
// case: from a Map
() => [...new Headers(new Map([['x', 'y']]))]
// case: from Headers
() => { const a = new Headers([['a', '1'], ['a', '2'], ['set-cookie', 'x'], ['set-cookie', 'y']]); const b = new Headers(a); a.set('a', '9'); return [b.get('a'), b.getSetCookie()] }
// case: from a generator
() => [...new Headers((function* () { yield ['a', '1']; yield new Set(['b', '2']); })())]
// case: a pair of one
() => new Headers([['a']])
// case: a pair of three
() => new Headers([['a', 'b', 'c']])
// case: a pair that is text
() => [...new Headers(['ab'])]
// case: from text
() => new Headers('a: b')
// case: from a number
() => new Headers(5)
// case: from null
() => new Headers(null)
// case: from undefined
() => [...new Headers(undefined)]
// case: a symbol as a key
() => [...new Headers({ [Symbol('a')]: '1' })]
// case: inherited keys
() => [...new Headers(Object.create({ inherited: '1' }, { seen: { value: '3', enumerable: true } }))]
// case: a record with keys that differ in case
() => [...new Headers({ a: '1', A: '2' })]
// case: values that are not text
() => [...new Headers({ n: 5, t: true, u: undefined, o: { toString: () => 'object' }, l: [1, 2] })]
// case: a symbol as a value
() => new Headers({ a: Symbol('x') })
// case: a name with a space
() => new Headers({ 'a b': '1' })
// case: an empty name
() => new Headers({ '': '1' })
// case: a name with a colon
() => new Headers().get('a:b')
// case: a name with a letter beyond ASCII
() => new Headers({ 'ä': '1' })
// case: every character that a name may have
() => { const ok = []; for (let i = 0; i < 256; i++) { try { new Headers().append(String.fromCharCode(i), 'x'); ok.push(i); } catch { /* refused */ } } return ok }
// case: every character that a value may have
() => { const ok = []; for (let i = 0; i < 300; i++) { try { new Headers().append('a', 'x' + String.fromCharCode(i) + 'y'); ok.push(i); } catch { /* refused */ } } return ok }
// case: line ends around a value
() => [new Headers({ a: '\r\n x \n' }).get('a'), new Headers({ a: '' }).get('a')]
// case: other space around a value
() => new Headers({ a: '\v\f\u00a0x\v' }).get('a')
// case: a line end inside a value
() => new Headers({ a: 'x\r\nb: y' })
// case: methods without arguments
() => ['append', 'delete', 'get', 'has', 'set', 'forEach'].map((name) => { try { new Headers()[name](); return 'fine' } catch (e) { return e.name } })
// case: append and set with one argument
() => ['append', 'set'].map((name) => { try { new Headers()[name]('a'); return 'fine' } catch (e) { return e.name } })
// case: forEach
() => { const seen = []; const self = {}; const h = new Headers({ b: '1', a: '2' }); h.forEach(function (value, key, all) { seen.push([key, value, all === h, this === self]) }, self); return seen }
// case: forEach with what is no function
() => new Headers().forEach({})
// case: iteration meets what is added behind it
() => { const h = new Headers({ b: '1' }); const seen = []; for (const [key] of h) { seen.push(key); if (key === 'b') h.append('c', '2'); if (key === 'c') h.append('a', '0') } return seen.slice(0, 6) }
// case: iteration after a deletion
() => { const h = new Headers({ a: '1', b: '2', c: '3' }); const seen = []; for (const [key] of h) { seen.push(key); h.delete('b') } return seen }
// case: keys, values and entries
() => { const h = new Headers({ b: '1', a: '2' }); return [[...h.keys()], [...h.values()], [...h.entries()]] }
// case: the iterator is entries
() => Headers.prototype[Symbol.iterator] === Headers.prototype.entries
// case: entries are fresh pairs
() => { const h = new Headers({ a: '1' }); const [pair] = h; pair[1] = 'x'; return h.get('a') }
// case: tag
() => [Object.prototype.toString.call(new Headers()), JSON.stringify(new Headers({ a: 1 }))]
// case: without new
() => Headers()
// case: a method on another object
() => Headers.prototype.get.call({}, 'a')
// case: a long value
() => new Headers({ a: 'x'.repeat(100000) }).get('a').length
// case: names that objects have
() => { const h = new Headers({ constructor: '1', toString: '2', __proto__x: '3' }); return [...h, h.has('valueOf')] }
// case: the key __proto__ in pairs
() => [...new Headers([['__proto__', '1']])]
// case: an iterator that throws
() => new Headers({ get [Symbol.iterator]() { throw new RangeError('mine') } })
// case: a null iterator means a record
() => [...new Headers({ [Symbol.iterator]: null, a: '1' })].length
