// Response. Source: the WHATWG Fetch standard.
(realm) => {
  'use strict';

  const { Headers } = realm.globals;
  const WITHOUT_BODY = [101, 103, 204, 205, 304];
  const REDIRECTS = [301, 302, 303, 307, 308];

  const statusOf = (status) => {
    const number = Math.trunc(Number(status)) & 0xffff; // as Web IDL makes an unsigned short of it
    if (number < 200 || number > 599) throw new RangeError(`The status must be between 200 and 599, not ${realm.inspect(status)}`);
    return number;
  };

  let make, stateOf;

  class Response {
    #state;
    constructor(body = null, init = {}) {
      const given = init === null ? {} : init;
      if (typeof given !== 'object' && typeof given !== 'function') throw new TypeError('Response: expected options as an object');
      const extracted = body === null ? { content: null, type: null } : realm.extractBody(body);
      this.#initialise(given, extracted);
    }
    #initialise({ status = 200, statusText = '', headers }, { content, type }) {
      const number = statusOf(status), text = `${statusText}`;
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) throw new TypeError('The status text holds characters that it cannot have');
      this.#state = { type: 'default', url: '', redirected: false, status: number, statusText: text, headers: new Headers(headers), body: realm.makeBody(content) };
      if (content === null) return;
      if (WITHOUT_BODY.includes(number)) throw new TypeError(`A response of status ${number} cannot have a body`);
      if (type !== null && !this.#state.headers.has('content-type')) this.#state.headers.set('content-type', type);
    }
    static {
      stateOf = (response) => response.#state;
      make = (state) => { const response = new Response(); response.#state = state; return response; };
    }
    static error() {
      return make({ type: 'error', url: '', redirected: false, status: 0, statusText: '', headers: realm.makeHeaders([], true), body: realm.makeBody(null) });
    }
    static redirect(url, status = 302) {
      const parts = realm.parseUrl(`${url}`);
      if (!parts) throw new TypeError(`Invalid URL: ${realm.inspect(`${url}`)}`);
      const number = Math.trunc(Number(status)) & 0xffff;
      if (!REDIRECTS.includes(number)) throw new RangeError(`${realm.inspect(status)} is not the status of a redirect`);
      return make({
        type: 'default', url: '', redirected: false, status: number, statusText: '', headers: realm.makeHeaders([['location', parts.href]], true), body: realm.makeBody(null),
      });
    }
    static json(data, init = {}) {
      const given = init === null ? {} : init;
      if (typeof given !== 'object' && typeof given !== 'function') throw new TypeError('Response.json: expected options as an object');
      const response = new Response();
      response.#initialise(given, { content: realm.contentOf({ text: realm.jsonOf(data).toWellFormed() }), type: 'application/json' });
      return response;
    }
    get type() { return this.#state.type; }
    get url() { return this.#state.url; }
    get redirected() { return this.#state.redirected; }
    get status() { return this.#state.status; }
    get ok() { return this.#state.status >= 200 && this.#state.status <= 299; }
    get statusText() { return this.#state.statusText; }
    get headers() { return this.#state.headers; }
    clone() {
      const body = realm.cloneBody(this.#state.body), { headers } = this.#state;
      return make({ ...this.#state, headers: realm.makeHeaders(realm.headerEntries(headers), this.#state.type !== 'default'), body });
    }
    get [Symbol.toStringTag]() { return 'Response'; }
  }
  realm.addBodyMembers(Response.prototype, (response) => stateOf(response).body, (response) => stateOf(response).headers.get('content-type'));

  // What the host answered, as a Response. `content` is null when the answer has no body.
  realm.makeResponse = (answer, headers, content) => make({
    type: 'basic', url: answer.url, redirected: answer.redirected, status: answer.status, statusText: answer.statusText, headers, body: realm.makeBody(content),
  });
  Object.assign(realm.globals, { Response });
}
