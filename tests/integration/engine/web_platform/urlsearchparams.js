// case: from text
() => [...new URLSearchParams('?a=1&b=2&a=3')]
// case: plus and percent
() => [...new URLSearchParams('a+b=c%20d&e=%zz&f=%e2%82%ac&g=%ff')]
// case: empty parts
() => [...new URLSearchParams('&&a&=b&c==d&')]
// case: a second question mark
() => [...new URLSearchParams('??a=1')]
// case: from an object
() => `${new URLSearchParams({ a: 1, b: true, c: null, d: undefined, e: [1, 2] })}`
// case: from pairs
() => `${new URLSearchParams([['a', 'b'], ['c', 'd e']])}`
// case: from a pair of one
() => new URLSearchParams([['a']])
// case: from itself
() => { const a = new URLSearchParams('x=1'); const b = new URLSearchParams(a); a.append('y', '2'); return [`${a}`, `${b}`] }
// case: from a Map
() => `${new URLSearchParams(new Map([['q', '1']]))}`
// case: from null and undefined
() => [`${new URLSearchParams(null)}`, `${new URLSearchParams(undefined)}`, `${new URLSearchParams()}`]
// case: from a number
() => `${new URLSearchParams(5)}`
// case: what is escaped
() => { let all = ''; for (let i = 0; i < 256; i++) all += String.fromCharCode(i); return `${new URLSearchParams({ all })}` }
// case: emoji and lone surrogates
() => `${new URLSearchParams({ a: '😀', b: '\ud800' })}`
// case: append, get and getAll
() => { const p = new URLSearchParams(); p.append('a', 1); p.append('a', 2); return [p.get('a'), p.getAll('a'), p.get('b'), p.getAll('b'), p.size] }
// case: set keeps the first place
() => { const p = new URLSearchParams('a=1&b=2&a=3'); p.set('a', '9'); return `${p}` }
// case: set of a new name
() => { const p = new URLSearchParams('a=1'); p.set('b', '2'); return `${p}` }
// case: delete with a value
() => { const p = new URLSearchParams('a=1&a=2&b=3'); p.delete('a', '1'); p.delete('b', 'x'); return `${p}` }
// case: has with a value
() => { const p = new URLSearchParams('a=1'); return [p.has('a'), p.has('a', 1), p.has('a', '2'), p.has('a', undefined)] }
// case: sort is stable and by code units
() => { const p = new URLSearchParams('z=1&a=2&z=0&\ufb03=3&😀=4&a=1'); p.sort(); return `${p}` }
// case: forEach
() => { const seen = []; new URLSearchParams('a=1&b=2').forEach((value, key) => seen.push([key, value])); return seen }
// case: iteration while it changes
() => { const p = new URLSearchParams('a=1&b=2&c=3'); const seen = []; for (const [key] of p) { seen.push(key); if (key === 'a') p.delete('b') } return seen }
// case: keys and values
() => [[...new URLSearchParams('a=1&b=2').keys()], [...new URLSearchParams('a=1&b=2').values()]]
// case: as JSON
() => JSON.stringify({ p: new URLSearchParams('a=1') })
// case: line ends
() => `${new URLSearchParams({ a: 'x\r\ny' })}`
