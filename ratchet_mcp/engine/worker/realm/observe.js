// Only in debugging workers: let the debugger look into each run that is to be looked into.
(realm) => {
  'use strict';

  const { begin, finish } = globalThis.debugging; // of the debugger's global, see debugger.js
  delete globalThis.debugging;
  const { start, end, report } = realm;
  let plan = null, first = null;

  // The next run is to be looked into; `text` is JSON, see observing.py.
  realm.observe = (text) => { plan = realm.own(text); };

  realm.start = (script, ...rest) => {
    first = null;
    if (plan !== null) begin(plan, script, realm.host.observed);
    return start(script, ...rest);
  };

  realm.report = (reason) => {
    if (first === null) first = { reason };
    return report(reason);
  };

  realm.end = () => {
    const { outcome } = realm.current;
    const failed = outcome !== undefined && 'reason' in outcome;
    if (plan !== null) finish(failed || first !== null, failed ? outcome.reason : first === null ? undefined : first.reason);
    plan = first = null;
    return end();
  };
}
