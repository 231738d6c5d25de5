// The typed errors that tasks throw and catch. `data` is JSON that travels with the error to the caller.
(realm) => {
  'use strict';

  const define = (name, extra) => {
    const Typed = {
      [name]: class extends Error {
        constructor(message, data) {
          super(message === undefined ? '' : String(message));
          if (data !== undefined) this.data = data;
          if (extra) extra(this, data);
        }
      },
    }[name];
    Object.defineProperty(Typed.prototype, 'name', { value: name, writable: true, configurable: true });
    realm.globals[name] = Typed;
    return Typed;
  };

  for (const name of [
    'AuthenticationError', 'AuthorizationError', 'NetworkError', 'ValidationError', 'ConfigurationError',
    'RateLimitError', 'ServiceUnavailableError', 'TimeoutError', 'DataError',
  ]) define(name);

  // new HttpError(message, status) or new HttpError(message, { status, … })
  define('HttpError', (error, data) => {
    const status = typeof data === 'number' ? data : data && data.status;
    if (typeof status === 'number') error.status = status;
    if (typeof data === 'number') error.data = { status };
  });

  // Web APIs report their failures with DOMException.
  const CODES = {
    IndexSizeError: 1, InvalidCharacterError: 5, NotSupportedError: 9, InvalidStateError: 11, SyntaxError: 12,
    QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25, AbortError: 20,
  };
  realm.globals.DOMException = class DOMException extends Error {
    #name;
    constructor(message = '', name = 'Error') {
      super(String(message));
      this.#name = String(name);
    }
    get name() { return this.#name; }
    get code() { return CODES[this.#name] || 0; }
  };

  // What a failed host call (`tasks.call`, `fetch`) rejects with; `code` is Ratchet's error code.
  realm.hostError = (failure) => {
    const Typed = realm.globals[failure.error_class] || Error;
    const error = new Typed(failure.message);
    if (Typed === Error) Object.defineProperty(error, 'name', { value: 'TaskCallError', writable: true, configurable: true });
    error.code = failure.code;
    if (failure.details !== undefined) error.data = failure.details;
    return error;
  };
}
