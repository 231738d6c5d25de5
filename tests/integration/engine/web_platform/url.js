// case: all parts
() => { const u = new URL('https://user:pw@Example.COM:8080/a/./b/../c?x=1#h'); return ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'].map((key) => u[key]) }
// case: relative to a base
() => [new URL('../c?x', 'https://a.example/x/y/z').href, new URL('//b.example', 'https://a.example').href, new URL('#f', 'https://a.example/x?y').href, new URL('', 'https://a.example/x?y#z').href]
// case: invalid ones
() => ['nope', '', 'http://', 'https://a b', 'http://[::1', 'http://a:99999', '//a', 'http://%zz/', 'http://a<b'].map((text) => { try { return new URL(text).href } catch (e) { return e.name } })
// case: spellings of loopback
() => ['http://127.1', 'http://0x7f000001', 'http://2130706433', 'http://0177.0.0.1', 'http://127.0.0.1.', 'http://[::ffff:127.0.0.1]', 'http://①②⑦.0.0.1', 'http://0'].map((text) => { try { return new URL(text).host } catch (e) { return e.name } })
// case: international names
() => ['http://münchen.example/ä?ö#ü', 'http://EXAMPLE.com', 'http://faß.example', 'http://xn--mnchen-3ya.example'].map((text) => new URL(text).href)
// case: default ports
() => ['http://a:80', 'https://a:443', 'https://a:80', 'ftp://a:21'].map((text) => new URL(text).href)
// case: spaces and control characters
() => [' https://a.example/ \n', 'ht\ntps://a.example/\tx', 'https://a.example/a b?c d#e f'].map((text) => new URL(text).href)
// case: backslashes
() => new URL('https:\\\\a.example\\b').href
// case: other schemes
() => ['mailto:a@b', 'data:text/plain,x', 'javascript:1', 'file:///c:/x/../y'].map((text) => [new URL(text).href, new URL(text).origin])
// case: canParse and parse
() => [URL.canParse('nope'), URL.canParse('https://a'), URL.canParse('x', 'https://a'), URL.parse('nope'), URL.parse('https://a').href]
// case: setters
() => { const u = new URL('https://a.example/x'); u.pathname = 'y z'; u.search = 'q=1'; u.hash = 'top'; u.port = '8443'; u.hostname = 'b.example'; u.protocol = 'http'; u.username = 'me'; u.password = 'pw'; return u.href }
// case: setters ignore what they cannot take
() => { const u = new URL('https://a.example:1/x'); u.port = '99999'; u.host = 'a b'; u.protocol = 'mailto'; return u.href }
// case: href of an invalid URL
() => { const u = new URL('https://a.example'); u.href = 'nope' }
// case: search and searchParams follow each other
() => { const u = new URL('https://a.example/?a=1'); u.searchParams.append('b', 'x y'); const first = u.href; u.search = '?c=3'; return [first, [...u.searchParams], u.href] }
// case: searchParams emptied
() => { const u = new URL('https://a.example/?a=1'); u.searchParams.delete('a'); return u.href }
// case: searchParams after href
() => { const u = new URL('https://a.example/?a=1'); const p = u.searchParams; u.href = 'https://b.example/?z=26'; return [p === u.searchParams, `${p}`] }
// case: searchParams stays the same object
() => { const u = new URL('https://a.example/'); return u.searchParams === u.searchParams }
// case: as text and as JSON
() => [`${new URL('https://a.example')}`, JSON.stringify([new URL('https://a.example/x')])]
// case: a URL as a base
() => new URL('x', new URL('https://a.example/y/')).href
// case: dots and percent
() => new URL('https://a.example/%2e%2e/a/%2E/b%2f%zz').href
