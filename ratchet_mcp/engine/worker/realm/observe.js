// Only in debugging workers: let the debugger look into each run that is to be looked into.
(realm) => {
  'use strict';

  const { begin, finish } = globalThis.debugging; // of the debugger's global, see debugger.js
  delete globalThis.debugging;
  const { end, report } = realm;
  let watched = false, first = null;

  // The run of this script, which starts next, is to be looked into; `plan` is JSON text, see observing.py.
  realm.observe = (plan, script) => {
    watched = true;
    first = null;
    begin(realm.own(plan), script, realm.host.observed);
  };

  realm.report = (reason) => {
    if (first === null) first = { reason };
    return report(reason);
  };

  realm.end = () => {
    const { outcome } = realm.current;
    const failed = outcome !== undefined && 'reason' in outcome;
    if (watched) finish(failed || first !== null, failed ? outcome.reason : first === null ? undefined : first.reason);
    watched = false;
    first = null;
    return end();
  };
}
