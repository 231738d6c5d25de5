// Request. Source: the WHATWG Fetch standard; `timeout` (milliseconds) and `retry` are ours.
(realm) => {
  'use strict';

  const { Headers, AbortSignal } = realm.globals;
  const NORMALISED = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
  const CHOICES = {
    redirect: ['follow', 'error', 'manual'],
    cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
    credentials: ['omit', 'same-origin', 'include'],
    mode: ['same-origin', 'no-cors', 'cors'],
  };

  const methodOf = (method) => {
    const text = `${method}`, upper = text.toUpperCase();
    if (!realm.isToken(text)) throw new TypeError(`${realm.inspect(text)} is not an HTTP method`);
    if (['CONNECT', 'TRACE', 'TRACK'].includes(upper)) throw new TypeError(`The HTTP method ${upper} is not allowed`);
    return NORMALISED.includes(upper) ? upper : text;
  };
  const urlOf = (url) => {
    const parts = realm.parseUrl(`${url}`);
    if (!parts) throw new TypeError(`Invalid URL: ${realm.inspect(`${url}`)}`);
    if (parts.username || parts.password) throw new TypeError('A URL with a user name or password cannot be fetched; send an Authorization header instead');
    return parts.href;
  };
  const choiceOf = (name, value) => {
    const text = `${value}`;
    if (!CHOICES[name].includes(text)) throw new TypeError(`${name} must be one of ${CHOICES[name].join(', ')}, not ${realm.inspect(text)}`);
    return text;
  };
  const timeoutOf = (value) => {
    const milliseconds = Number(value);
    if (!(milliseconds > 0) || !Number.isFinite(milliseconds)) throw new TypeError(`timeout must be a number of milliseconds above 0, not ${realm.inspect(value)}`);
    return milliseconds;
  };

  // What the host makes of it is in docs/network.md.
  const retryOf = (value) => {
    if (typeof value === 'boolean' || typeof value === 'number') return value;
    if (typeof value !== 'object') throw new TypeError('retry must be false, a number of further tries, or an object');
    return JSON.parse(realm.jsonOf(value));
  };

  let stateOf;

  class Request {
    #state;
    constructor(input, init = {}) {
      if (arguments.length < 1) throw new TypeError('Request: a URL or a Request is required');
      if (init !== null && typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Request: expected options as an object');
      const given = init === null ? {} : init;
      const old = typeof input === 'object' && input !== null && #state in input ? input.#state : undefined;
      const state = this.#state = old === undefined
        ? {
          url: urlOf(input), method: 'GET', redirect: 'follow', cache: 'default', credentials: 'same-origin', mode: 'cors', keepalive: false, integrity: '',
          referrerPolicy: '', timeout: undefined, retry: undefined, signal: undefined, headers: undefined, body: realm.makeBody(null),
        }
        : { ...old };
      const { method, headers, body, signal, timeout, retry, keepalive, integrity } = given;
      if (method !== undefined) state.method = methodOf(method);
      for (const name of Object.keys(CHOICES)) {
        const value = given[name];
        if (value !== undefined) state[name] = choiceOf(name, value);
      }
      if (state.cache === 'only-if-cached' && state.mode !== 'same-origin') throw new TypeError("cache: 'only-if-cached' needs mode: 'same-origin'");
      if (timeout !== undefined && timeout !== null) state.timeout = timeoutOf(timeout);
      if (retry !== undefined && retry !== null) state.retry = retryOf(retry);
      if (keepalive !== undefined) state.keepalive = Boolean(keepalive);
      if (integrity !== undefined) state.integrity = `${integrity}`;
      this.#takeSignal(old, signal);
      state.headers = new Headers(headers === undefined ? old && old.headers : headers);
      this.#takeBody(old, body);
    }
    #takeSignal(old, signal) {
      if (signal !== undefined && signal !== null && !realm.isSignal(signal)) throw new TypeError('signal must be an AbortSignal');
      const followed = signal === undefined ? old && old.signal : signal;
      this.#state.signal = AbortSignal.any(followed ? [followed] : []);
    }
    #takeBody(old, body) {
      const state = this.#state;
      const inherited = old !== undefined && old.body.content !== null;
      const replaced = body !== undefined && body !== null;
      if ((inherited || replaced) && (state.method === 'GET' || state.method === 'HEAD')) throw new TypeError(`A ${state.method} request cannot have a body`);
      if (!replaced) {
        if (!inherited) return;
        if (realm.isUnusable(old.body)) throw new TypeError('The body of the request has been read already');
        state.body = realm.makeBody(old.body.content);
        old.body.used = true;
        return;
      }
      const { content, type } = realm.extractBody(body);
      state.body = realm.makeBody(content);
      if (type !== null && !state.headers.has('content-type')) state.headers.set('content-type', type);
    }
    static { stateOf = (request) => request.#state; }
    get method() { return this.#state.method; }
    get url() { return this.#state.url; }
    get headers() { return this.#state.headers; }
    get destination() { this.#state; return ''; }
    get referrer() { this.#state; return 'about:client'; }
    get referrerPolicy() { return this.#state.referrerPolicy; }
    get mode() { return this.#state.mode; }
    get credentials() { return this.#state.credentials; }
    get cache() { return this.#state.cache; }
    get redirect() { return this.#state.redirect; }
    get integrity() { return this.#state.integrity; }
    get keepalive() { return this.#state.keepalive; }
    get signal() { return this.#state.signal; }
    get duplex() { this.#state; return 'half'; }
    clone() {
      const { body } = this.#state;
      const twin = realm.cloneBody(body);
      const request = new Request(this.#state.url);
      request.#state = { ...this.#state, headers: new Headers(this.#state.headers), signal: AbortSignal.any([this.#state.signal]), body: twin };
      return request;
    }
    get [Symbol.toStringTag]() { return 'Request'; }
  }
  realm.addBodyMembers(Request.prototype, (request) => stateOf(request).body, (request) => stateOf(request).headers.get('content-type'));

  realm.requestState = stateOf;
  Object.assign(realm.globals, { Request });
}
