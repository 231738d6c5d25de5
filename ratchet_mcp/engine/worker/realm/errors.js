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
    'RateLimitError', 'ServiceUnavailableError', 'TimeoutError', 'DataError', 'AskDeclined',
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

  // The classes of failures that are not the called task's.
  const { NetworkError, TimeoutError, RateLimitError, ConfigurationError, DataError, AskDeclined } = realm.globals;
  const FETCH_ERRORS = new Map(Object.entries({
    network_denied: ConfigurationError, network_failed: NetworkError, fetch_timeout: TimeoutError, fetch_limit: RateLimitError, invalid_fetch: TypeError,
    mock_missing: ConfigurationError, replay_missing: ConfigurationError, secret_missing: ConfigurationError,
  }));

  const ASK_ERRORS = new Map(Object.entries({
    cannot_ask: ConfigurationError, ask_declined: AskDeclined, answer_timeout: TimeoutError, answer_invalid: DataError, answer_missing: ConfigurationError,
    invalid_question: TypeError, too_many_questions: RateLimitError,
  }));

  // What a failed host call (`tasks.call`, `fetch`, `ask`) rejects with; `code` is Ratchet's error code.
  realm.hostError = (failure) => {
    const Typed = FETCH_ERRORS.get(failure.code) || ASK_ERRORS.get(failure.code);
    const error = new (Typed || Error)(failure.message);
    if (Typed === undefined) Object.defineProperty(error, 'name', { value: 'TaskCallError', writable: true, configurable: true });
    error.code = failure.code;
    if (failure.details !== undefined) error.data = failure.details;
    if (Typed !== undefined) { // of fetch and ask: the author sees at once where and what to do
      if (failure.details !== undefined && typeof failure.details.host === 'string') error.host = failure.details.host;
      if (failure.hint !== undefined) { error.hint = failure.hint; error.data = { ...error.data, hint: failure.hint }; }
    }
    return error;
  };
}
