// Which rejected promises did nobody ever look at?
//
// The engine tells (through the host) when a promise is rejected while it has no handler, but not when a handler comes later, as in
// `const p = failing(); await p`. Every way to attach one (`await`, `then`, `catch`, `Promise.all`, …) first reads `promise.constructor`,
// so that property is an accessor here. It is installed between SES's repair and its hardening.
(realm) => {
  'use strict';

  const then = Promise.prototype.then;
  const NativePromise = Promise;
  let open = 0; // rejections of this run that were reported
  let looked = new WeakSet();
  let reasons = [];
  let handled = 0; // of those, promises that got a handler afterwards

  const note = (promise) => {
    if (open === 0 || looked.has(promise)) return;
    looked.add(promise);
    probing = true;
    const before = realm.host.queued();
    let late = false; // rejected before it got this handler: a job for it is queued at once
    try {
      then.call(promise, undefined, (reason) => {
        reasons.push(reason);
        if (late) handled += 1;
      });
      late = realm.host.queued() > before;
    } catch { /* not a promise */ } finally { probing = false; }
  };
  let probing = false;

  Object.defineProperty(Promise.prototype, 'constructor', {
    get() {
      if (!probing) note(this);
      return NativePromise;
    },
    set(value) {
      Object.defineProperty(this, 'constructor', { value, writable: true, enumerable: true, configurable: true });
    },
    enumerable: false, configurable: true,
  });

  // Subclasses have a `constructor` of their own; awaiting one of their promises calls `then`.
  Promise.prototype.then = {
    then(onFulfilled, onRejected) {
      note(this);
      return then.call(this, onFulfilled, onRejected);
    },
  }.then;

  realm.rejected = () => { open += 1; };
  realm.lost = () => open > handled;
  realm.forgetRejections = () => {
    if (open === 0) return; // nothing was looked at either
    open = handled = 0;
    looked = new WeakSet();
    reasons = [];
  };
  // Of the reported reasons, those for which no handler came.
  realm.unhandled = (reported) => {
    const handled = [...reasons];
    return reported.filter((reason) => {
      const at = handled.findIndex((other) => Object.is(other, reason));
      if (at < 0) return true;
      handled.splice(at, 1);
      return false;
    });
  };
}
