// setTimeout and its kin, for one run. The host keeps the clock and calls `fire` when a timer is due.
(realm) => {
  'use strict';

  const MAX_TIMERS = 10000;

  realm.makeTimers = (run) => {
    const waiting = new Map();
    const start = (callback, delay, args, every) => {
      if (typeof callback !== 'function') throw new TypeError('A timer needs a function');
      if (!run.live) return 0;
      if (waiting.size >= MAX_TIMERS) throw new RangeError(`More than ${MAX_TIMERS} timers`);
      const milliseconds = Math.min(Math.max(Number(delay) || 0, every ? 1 : 0), 2 ** 31 - 1);
      const id = realm.nextId();
      waiting.set(id, { callback, args, every: every ? milliseconds : undefined });
      realm.host.startTimer(id, milliseconds);
      return id;
    };
    const stop = (id) => { if (waiting.delete(id)) realm.host.clearTimer(id); };

    run.timers = waiting;
    run.fire = (id) => {
      const timer = waiting.get(id);
      if (!timer) return;
      if (timer.every === undefined) waiting.delete(id);
      else realm.host.startTimer(id, timer.every);
      const { callback, args } = timer;
      callback(...args); // not as a method: the record is ours
    };
    return {
      setTimeout: (callback, delay, ...args) => start(callback, delay, args, false),
      setInterval: (callback, delay, ...args) => start(callback, delay, args, true),
      setImmediate: (callback, ...args) => start(callback, 0, args, false),
      clearTimeout: stop, clearInterval: stop, clearImmediate: stop,
      queueMicrotask: (callback) => {
        if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function');
        Promise.resolve().then(() => callback()).catch((error) => run.crash(error));
      },
    };
  };
}
