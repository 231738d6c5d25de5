// fetch, one for each run. It returns a promise of a Response, which can also be read without `await`: then only this worker waits.
(realm) => {
  'use strict';

  const { Headers, Request } = realm.globals;
  const MAX_HEAD = 1 << 17; // characters of URL and headers together; servers take far less
  const states = new WeakMap(); // promise -> what is known of its call
  const then = Promise.prototype.then;

  // Nobody has to handle the rejection of a promise that is read without `await`.
  const handled = (promise) => {
    try { Reflect.apply(then, promise, [() => {}, () => {}]); } catch { /* a task that broke its own promise */ }
  };

  const looksLikeJson = (type, text) => {
    if (/^[^;]*[/+]json\b/i.test(type)) return true;
    return (type === '' || /^text\/(plain|html|javascript)\b/i.test(type)) && /^\s*[[{]/.test(text);
  };

  // What the host told of an answer, for both ways to look at it.
  class Answer {
    #facts; #content; #parsed; #headers;
    constructor(facts) {
      this.#facts = facts;
      this.#content = realm.contentOf({ base64: facts.body });
    }
    get status() { return this.#facts.status; }
    get statusText() { return this.#facts.statusText; }
    get url() { return this.#facts.url; }
    get redirected() { return this.#facts.redirected; }
    get type() { return 'basic'; }
    get ok() { return this.status >= 200 && this.status <= 299; }
    get #pairs() { return this.#facts.headers.map(([name, value]) => [name.toLowerCase(), value]); }
    // Headers that also answer to `headers['content-type']`.
    get headers() {
      if (this.#headers === undefined) {
        this.#headers = realm.makeHeaders(this.#pairs, true);
        for (const [name, value] of this.#headers) {
          if (!(name in Headers.prototype)) Object.defineProperty(this.#headers, name, { value, enumerable: true, configurable: true, writable: true });
        }
      }
      return this.#headers;
    }
    // The parsed JSON when it is JSON, otherwise the text.
    get body() {
      if (this.#parsed === undefined) {
        const text = this.#content.text, type = this.#facts.headers.find(([name]) => name.toLowerCase() === 'content-type');
        let value = text;
        if (looksLikeJson(type ? type[1] : '', text)) { try { value = JSON.parse(text); } catch { /* text it is */ } }
        this.#parsed = { value };
      }
      return this.#parsed.value;
    }
    get response() {
      const none = this.status === 204 || this.status === 205 || this.status === 304 || this.#facts.noBody;
      return realm.makeResponse(this.#facts, realm.makeHeaders(this.#pairs, true), none ? null : this.#content);
    }
  }

  const synchronous = {};
  for (const name of ['ok', 'status', 'statusText', 'url', 'redirected', 'type', 'headers', 'body']) {
    synchronous[name] = {
      get: Object.getOwnPropertyDescriptor({
        get [name]() {
          const state = states.get(this);
          if (state === undefined) throw new TypeError(`${name}: this is not what fetch returned`);
          return state.wait()[name];
        },
      }, name).get,
      enumerable: false, configurable: true,
    };
  }
  harden(synchronous);

  const limitError = (message) => {
    const error = new realm.globals.RateLimitError(message);
    error.code = 'fetch_limit';
    return error;
  };

  // The request as the host takes it; throws what the task did wrong.
  const pack = (state) => {
    const headers = [...state.headers];
    const length = state.url.length + headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
    if (length > MAX_HEAD) throw limitError(`The URL and the headers of a request have ${length} characters; at most ${MAX_HEAD} are allowed`);
    let body;
    if (state.body.content !== null) {
      if (realm.isUnusable(state.body)) throw new TypeError('The body of the request has been read already');
      state.body.used = true;
      const size = Math.floor(state.body.content.base64.length / 4) * 3;
      if (size > realm.limits.fetchBytes + 2) throw limitError(`The body of a request has ${size} bytes; network.request_bytes allows ${realm.limits.fetchBytes}`);
      body = state.body.content.base64;
    }
    const { url, method, redirect, cache, retry } = state;
    return JSON.stringify({ url, method, headers, body, redirect, cache, timeout_seconds: state.timeout === undefined ? undefined : state.timeout / 1000, retry });
  };

  // A mistake that is seen here tells as much as one that the host sees.
  const HINT = 'Correct the URL, the method, a header, the body or an option of the fetch.';
  const told = (error, input) => {
    if (!(error instanceof TypeError) || 'code' in error || !Object.isExtensible(error)) return error;
    const parts = typeof input === 'string' ? realm.parseUrl(input) : undefined;
    const host = parts && parts.hostname ? parts.hostname : null;
    if (host !== null) error.host = host;
    return Object.assign(error, { code: 'invalid_fetch', hint: HINT, data: { host, hint: HINT } });
  };

  const begin = (run, input, init, oldBody) => {
    const { promise, resolve, reject } = Promise.withResolvers();
    let call, answer, failure, reading = false, forget = () => {};
    const fail = (error) => {
      failure = { error };
      forget();
      if (reading) handled(promise);
      reject(error);
    };
    const waiting = {
      resolve(facts) { answer = new Answer(facts); forget(); resolve(answer.response); },
      reject: fail,
    };
    const wait = () => {
      reading = true;
      if (failure !== undefined) handled(promise); // it was rejected before anybody looked
      else if (answer === undefined) run.waitFor(call);
      if (failure !== undefined) throw failure.error;
      if (answer === undefined) throw new Error('The run has ended');
      return answer;
    };
    states.set(promise, { wait });
    Object.defineProperties(promise, synchronous);
    try {
      // fetch(url, options, body), as the original system had it
      const options = oldBody !== undefined && (init === undefined || init === null || init.body === undefined) ? { ...init, body: oldBody } : init;
      const state = realm.requestState(new Request(input, options));
      if (state.signal.aborted) throw state.signal.reason;
      const noBody = state.method === 'HEAD';
      const text = pack(state);
      call = run.startCall('fetch', text, { resolve: (facts) => waiting.resolve({ ...facts, noBody }), reject: waiting.reject });
      forget = realm.onAbort(state.signal, (reason) => { run.cancelCall(call); fail(reason); });
    } catch (error) {
      fail(told(error, input));
    }
    return promise;
  };
  realm.makeFetch = (run) => {
    const fetch = (input, init, oldBody) => begin(run, input, init, oldBody);
    return fetch;
  };
}
