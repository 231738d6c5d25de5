// One run: a fresh compartment, the task's function, its result or its failure.
(realm) => {
  'use strict';

  // Every name a task may find on its global object. Nothing else is there.
  const LANGUAGE = [
    'globalThis', 'undefined', 'NaN', 'Infinity', 'isFinite', 'isNaN', 'parseFloat', 'parseInt', 'decodeURI', 'decodeURIComponent', 'encodeURI',
    'encodeURIComponent', 'escape', 'unescape', 'eval', 'Function', 'Object', 'Array', 'ArrayBuffer', 'BigInt', 'BigInt64Array', 'BigUint64Array',
    'Boolean', 'DataView', 'Date', 'Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError',
    'Float32Array', 'Float64Array', 'Int8Array', 'Int16Array', 'Int32Array', 'Uint8Array', 'Uint8ClampedArray', 'Uint16Array', 'Uint32Array',
    'Intl', 'Iterator', 'JSON', 'Map', 'Math', 'Number', 'Promise', 'Proxy', 'Reflect', 'RegExp', 'Set', 'String', 'Symbol', 'WeakMap', 'WeakSet',
  ];
  const OURS = [
    'console', 'fetch', 'Headers', 'Request', 'Response', 'FormData', 'Blob', 'File', 'URL', 'URLSearchParams', 'TextEncoder', 'TextDecoder', 'atob', 'btoa', 'structuredClone', 'setTimeout',
    'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'crypto', 'Event', 'EventTarget',
    'AbortController', 'AbortSignal', 'DOMException', 'reportProgress', 'tasks', 'self', 'global', 'AuthenticationError', 'AuthorizationError',
    'NetworkError', 'HttpError', 'ValidationError', 'ConfigurationError', 'RateLimitError', 'ServiceUnavailableError', 'TimeoutError', 'DataError',
    'ask', 'AskDeclined',
  ];
  realm.allowed = [...LANGUAGE, ...OURS];

  const shared = {
    ...realm.globals, // hardened, the same for every run: classes and functions without state
    Date, Math, Intl, Float32Array, Float64Array,
  };
  const OPTIONS = { __options__: true };
  const MAX_CALLS = 1000, MAX_LOST = 10, MAX_DATA_DEPTH = 50;
  const LENIENT = { __rejectSomeDirectEvalExpressions__: false }; // a direct eval sees the compartment's globals only
  const allowed = new Set(realm.allowed);
  const unwanted = Object.getOwnPropertyNames(new Compartment({ ...OPTIONS }).globalThis).filter((key) => !allowed.has(key));

  const IDLE = { live: false, fire() {}, settle() {}, setTimeout() {}, waitFor() {}, clock: undefined, chance: undefined };
  realm.current = IDLE;
  const reported = [];

  const makeRun = () => {
    const calls = new Map();
    const run = {
      live: true, calls, outcome: undefined, clock: undefined, chance: undefined,
      // Ask the host for something; `waiting` has `resolve` and `reject` for its answer.
      startCall(method, text, waiting) {
        if (!run.live) throw new Error('The run has ended');
        if (calls.size >= MAX_CALLS) {
          const error = new realm.globals.RateLimitError(`${method}: ${MAX_CALLS} calls are waiting already; await some of them first`);
          throw Object.assign(error, { code: method === 'fetch' ? 'fetch_limit' : 'queue_full' });
        }
        const call = realm.nextId();
        calls.set(call, waiting);
        realm.host.call(call, method, text);
        return call;
      },
      cancelCall(call) { if (calls.delete(call)) realm.host.cancel(call); },
      // Block this worker until a call is answered.
      waitFor(call) {
        const text = run.live && calls.has(call) ? realm.host.wait(call) : '';
        if (text !== '') run.settle(call, text.startsWith('+'), text.slice(1));
      },
      // Answer a host call: `value` is JSON text.
      settle(call, ok, value) {
        const waiting = calls.get(call);
        if (!waiting) return;
        if (run.clock) run.clock.set(realm.host.happens('call', call));
        calls.delete(call);
        if (ok) waiting.resolve(JSON.parse(realm.own(value)));
        else waiting.reject(realm.hostError(JSON.parse(realm.own(value))));
      },
      // An error in a callback of the task that nothing can catch.
      crash(error) { if (run.live && run.outcome === undefined) run.outcome = thrown(error); },
    };
    return run;
  };

  // The arguments of a host call as JSON text.
  realm.packArguments = (method, args) => {
    const packed = realm.stringify(args, realm.limits.inputBytes);
    if (packed.thrown !== undefined) throw packed.thrown;
    if (packed.failure) throw new realm.globals.DataError(`${method}: ${packed.failure.message}`, { path: packed.failure.path });
    return packed.text;
  };
  const hostCall = (run, method, args) => new Promise((resolve, reject) => {
    run.startCall(method, realm.packArguments(method, args), { resolve, reject });
  });
  realm.hostCall = hostCall;

  const endowments = (run) => {
    const timers = realm.makeTimers(run);
    run.setTimeout = timers.setTimeout;
    return {
      ...shared,
      ...timers,
      console: realm.makeConsole(run),
      tasks: realm.makeTasks(run),
      ask: (message, schema) => hostCall(run, 'ask', { message: `${message}`, schema }),
      fetch: realm.makeFetch(run),
      reportProgress: (progress, step, message, data) => {
        const value = Number(progress);
        if (!Number.isFinite(value)) throw new TypeError(`reportProgress: expected a number, got ${realm.inspect(progress)}`);
        const text = (item) => (item === undefined || item === null ? undefined : realm.clip(`${item}`).slice(0, 1000));
        const packed = realm.stringify({ progress: value, step: text(step), message: text(message), data }, 65536);
        if (packed.thrown !== undefined) throw packed.thrown;
        if (packed.failure) throw new TypeError(`reportProgress: ${packed.failure.message}`);
        if (run.live) realm.host.progress(packed.text);
      },
    };
  };

  const own = (error, key, type) => {
    const slot = Object.getOwnPropertyDescriptor(error, key);
    return slot && typeof slot.value === type ? (type === 'string' ? slot.value.slice(0, 200) : slot.value) : undefined;
  };

  // What was thrown, as plain data. Never throws itself.
  const describe = (error) => {
    const facts = { kind: 'thrown', message: '', name: 'Error' };
    try {
      if (typeof error !== 'object' || error === null) return { ...facts, name: typeof error, message: realm.inspect(error), primitive: true };
      const described = realm.errorText(error);
      const split = described.indexOf(': ');
      facts.name = error instanceof Error ? (split < 0 ? described : described.slice(0, split)).slice(0, 200) : 'Object';
      facts.message = error instanceof Error ? (split < 0 ? '' : described.slice(split + 2)) : realm.inspect(error);
      if (error instanceof Error) {
        try { facts.stack = realm.clip(`${error.stack}`).slice(0, 8000); } catch { /* a hostile stack */ }
        facts.line = own(error, 'lineNumber', 'number');
        facts.column = own(error, 'columnNumber', 'number');
        facts.file = own(error, 'fileName', 'string');
      }
      facts.code = own(error, 'code', 'string');
      const data = Object.getOwnPropertyDescriptor(error, 'data');
      const packed = data && 'value' in data ? realm.stringify(data.value, 65536).text || 'null' : 'null';
      if (realm.depthOf(packed) <= MAX_DATA_DEPTH) facts.data = JSON.parse(packed);
    } catch { /* what is known so far has to do */ }
    return facts;
  };

  const thrown = (error) => ({ error: describe(error), reason: error });
  const refused = (failure) => ({ error: { kind: 'output', ...failure } });
  const finish = (run, value) => {
    const packed = realm.stringify(value, realm.limits.outputBytes);
    if (packed.thrown !== undefined) run.outcome = thrown(packed.thrown);
    else if (packed.failure) run.outcome = refused(packed.failure);
    else run.outcome = { output: packed.text };
  };

  // A run and its compartment. Its first evaluation builds the evaluator, three times what the next one costs: a constant takes that upon itself.
  const build = (started = -1, seed = '') => {
    const run = makeRun();
    const repeatable = started < 0 ? {} : realm.makeRepeatable(run, started, seed);
    const compartment = new Compartment({ ...OPTIONS, globals: { ...endowments(run), ...repeatable } });
    const global = compartment.globalThis;
    for (const key of unwanted) delete global[key];
    global.self = global;
    global.global = global;
    compartment.evaluate('0', LENIENT);
    return { run, compartment };
  };

  let next;
  // Build the next run's compartment while nobody waits for this worker; should that fail, `start` builds it.
  realm.prepare = () => {
    if (next) return;
    try { next = build(); } catch { /* no memory: the next start says so */ }
  };

  // Start a run. Afterwards the host drains the promise jobs and asks for `outcome()`.
  realm.start = (script, inputText, contextText, outputBytes, inputBytes, fetchBytes, started, seed, secretsText) => {
    realm.limits = { outputBytes, inputBytes, fetchBytes };
    realm.forgetRejections();
    realm.resetIds();
    const { run, compartment } = started >= 0 ? build(started, realm.own(seed)) : next || build();
    if (started < 0) next = undefined;
    realm.current = run;
    try {
      const task = compartment.evaluate(script, LENIENT);
      const context = realm.makeContext(JSON.parse(realm.own(contextText)), JSON.parse(realm.own(secretsText)));
      const result = task(JSON.parse(realm.own(inputText)), context);
      const then = typeof result === 'object' && result !== null && result instanceof Promise;
      if (!then && !(typeof result === 'object' && result !== null && typeof result.then === 'function')) return finish(run, result);
      Promise.resolve(result).then(
        (value) => { if (run.outcome === undefined) finish(run, value); },
        (error) => { if (run.outcome === undefined) run.outcome = thrown(error); },
      ).catch((error) => run.crash(error));
    } catch (error) {
      run.outcome = thrown(error);
    }
    return undefined;
  };

  realm.fire = (id) => {
    const run = realm.current;
    if (run.clock) run.clock.set(realm.host.happens('timer', id));
    try { run.fire(id); } catch (error) { run.crash(error); }
  };
  realm.settle = (call, ok, value) => realm.current.settle(call, ok, value);
  realm.settled = () => realm.current.outcome !== undefined;

  // The host learnt of a promise that was rejected with this reason while nothing handled it
  // (the bridge wraps primitive reasons into objects).
  realm.report = (reason) => {
    try {
      const wrapped = [Number, String, Boolean, BigInt].some((Wrapper) => reason instanceof Wrapper);
      reported.push(wrapped ? reason.valueOf() : reason);
    } catch { // a hostile proxy
      reported.push(reason);
    }
  };

  // The output of the run as JSON text, if it has one.
  realm.output = () => (realm.current.outcome === undefined ? undefined : realm.current.outcome.output);

  // The rest of how the run ended, as JSON text; afterwards nothing that the task left behind has any effect.
  realm.end = () => {
    const run = realm.current;
    const left = { timers: run.timers ? run.timers.size : 0, calls: run.calls.size };
    run.live = false;
    if (run.timers) run.timers.clear();
    realm.current = IDLE;
    const { error, reason } = run.outcome || { error: { kind: 'never_settles' } };
    if (error === undefined && reported.length === 0 && left.timers === 0 && left.calls === 0) {
      realm.forgetRejections();
      return ''; // nothing to tell, as after most runs
    }
    const lost = realm.unhandled(reported.splice(0)).filter((other) => error === undefined || !Object.is(other, reason)).slice(0, MAX_LOST).map(describe);
    realm.forgetRejections();
    return realm.wellFormedJson(JSON.stringify({ error, lost, left }));
  };
}
