// Event, EventTarget, AbortController and AbortSignal. Source: the WHATWG DOM standard, without a tree.
(realm) => {
  'use strict';

  const { DOMException } = realm.globals;
  const stopped = new WeakSet();

  class Event {
    #type; #cancelable; #prevented = false;
    constructor(type, { cancelable = false } = {}) { this.#type = `${type}`; this.#cancelable = Boolean(cancelable); }
    get type() { return this.#type; }
    get cancelable() { return this.#cancelable; }
    get defaultPrevented() { return this.#prevented; }
    preventDefault() { if (this.#cancelable) this.#prevented = true; }
    stopImmediatePropagation() { stopped.add(this); }
  }

  class EventTarget {
    #listeners = [];
    addEventListener(type, listener, options) {
      if (listener === null || listener === undefined) return;
      const once = typeof options === 'object' && options !== null && Boolean(options.once);
      if (this.#listeners.some((item) => item.type === `${type}` && item.listener === listener)) return;
      this.#listeners.push({ type: `${type}`, listener, once });
    }
    removeEventListener(type, listener) {
      this.#listeners = this.#listeners.filter((item) => item.type !== `${type}` || item.listener !== listener);
    }
    dispatchEvent(event) {
      for (const item of this.#listeners.filter(({ type }) => type === event.type)) {
        if (stopped.has(event)) break;
        if (!this.#listeners.includes(item)) continue;
        if (item.once) this.removeEventListener(item.type, item.listener);
        if (typeof item.listener === 'function') item.listener.call(this, event);
        else item.listener.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }

  let abort; // (signal, reason), for those who may
  const OURS = {}; // signals are made here only

  class AbortSignal extends EventTarget {
    #aborted = false; #reason; #handler = null;
    #steps = new Set(); // what else ends with this signal; tasks cannot stop it
    constructor(key) {
      super();
      if (key !== OURS) throw new TypeError('Illegal constructor');
    }
    static {
      abort = (signal, reason) => signal.#abort(reason);
      realm.isSignal = (value) => typeof value === 'object' && value !== null && #steps in value;
      // Call `step(reason)` when the signal aborts; returns the function that forgets it.
      realm.onAbort = (signal, step) => {
        signal.#steps.add(step);
        return () => { signal.#steps.delete(step); };
      };
    }
    #abort(reason) {
      if (this.#aborted) return;
      this.#aborted = true;
      this.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      for (const step of this.#steps) step(this.#reason);
      this.#steps.clear();
      const event = new Event('abort');
      if (this.#handler) this.#handler.call(this, event);
      this.dispatchEvent(event);
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    get onabort() { return this.#handler; }
    set onabort(handler) { this.#handler = typeof handler === 'function' ? handler : null; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static abort(reason) { const signal = new AbortSignal(OURS); signal.#abort(reason); return signal; }
    static timeout(milliseconds) {
      const signal = new AbortSignal(OURS);
      realm.current.setTimeout(() => signal.#abort(new DOMException('The operation timed out', 'TimeoutError')), milliseconds);
      return signal;
    }
    static any(signals) {
      const all = [...signals], merged = new AbortSignal(OURS);
      if (!all.every(realm.isSignal)) throw new TypeError('AbortSignal.any: expected signals');
      const done = all.find((signal) => signal.aborted);
      if (done) merged.#abort(done.reason);
      else for (const signal of all) realm.onAbort(signal, (reason) => merged.#abort(reason));
      return merged;
    }
  }

  class AbortController {
    #signal = new AbortSignal(OURS);
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
  }

  Object.assign(realm.globals, { Event, EventTarget, AbortController, AbortSignal });
}
