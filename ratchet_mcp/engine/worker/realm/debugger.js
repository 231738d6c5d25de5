// Evaluated in the debugger's own global, out of reach of all that runs in the realm: breakpoints, snapshots, coverage.
//
// Values of a task are looked at through SpiderMonkey's mirrors (Debugger.Object), which call nothing of the task. Only expressions do.
// Text and numbers cross to the realm; nothing else, except functions that the realm's own kit calls and never hands on.
(mainGlobal, makeRender) => {
  'use strict';

  const MAX_CHARACTERS = 1 << 19; // of all snapshots of a run
  const MAX_STACK = 50, MAX_LOOK = 500, MAX_NAMES = 100, MAX_ARGUMENTS = 20;
  const MAX_IDLE_HITS = 20000; // hits that are only counted, before the breakpoints go
  const MANY_THROWS = 100, MAX_THROWS = 1000, THROWS_KEPT = 20;
  const LINES_AT_ONCE = 2000;

  const dbg = new Debugger();
  dbg.collectCoverageInfo = true;
  dbg.uncaughtExceptionHook = () => undefined; // a failure in here, such as a stack that is used up, is none of the task's
  const main = dbg.addDebuggee(mainGlobal);
  const render = makeRender(main);
  let watch = null; // the run that is looked into
  let busy = false; // looking: what runs now is not the task's own doing

  // ------------------------------------------------------------ places
  const isWrapper = (script) => script.startLine === 1 && script.startColumn <= watch.shift;
  const isAuthors = (script, { lineNumber, columnNumber }) => {
    if (lineNumber > watch.lineCount || (lineNumber === 1 && columnNumber <= watch.shift)) return false;
    return script !== watch.top || !watch.lines[lineNumber - 1].startsWith('return', columnNumber - 1); // put there when the code was prepared
  };

  const allScripts = (root) => {
    const found = [root];
    for (let i = 0; i < found.length; i++) found.push(...found[i].getChildScripts());
    return found;
  };

  // Where each script may stop, by line: the first place of each.
  const stopsOf = (scripts) => {
    const stops = new Map();
    for (const script of scripts) {
      const first = new Map();
      for (const place of script.getPossibleBreakpoints()) {
        const known = first.get(place.lineNumber);
        if (isAuthors(script, place) && (known === undefined || place.offset < known.offset)) first.set(place.lineNumber, place);
      }
      for (const [line, place] of first) {
        if (!stops.has(line)) stops.set(line, []);
        stops.get(line).push({ script, offset: place.offset });
      }
    }
    return stops;
  };

  const prepare = (root) => {
    watch.source = root.source;
    watch.scripts = allScripts(root);
    watch.top = watch.scripts.findLast(isWrapper);
    watch.scripts = watch.scripts.filter((script) => script === watch.top || !isWrapper(script));
    const stops = watch.stops = stopsOf(watch.scripts);
    const lines = [...stops.keys()].sort((a, b) => a - b);
    const moved = [], unreachable = [], targets = new Set();
    for (const asked of watch.breakpoints) {
      const line = lines.find((other) => other >= asked);
      if (line === undefined) unreachable.push(asked);
      else {
        targets.add(line);
        if (line !== asked) moved.push([asked, line]);
      }
    }
    watch.targets = [...targets].map((line) => ({ line, hits: 0, idle: 0 }));
    for (const target of watch.targets) {
      target.hit = (frame) => { onHit(target, frame); };
      for (const { script, offset } of stops.get(target.line)) script.setBreakpoint(offset, target);
    }
    for (const place of watch.top.getPossibleBreakpoints()) { // the return that was put there
      if (!isAuthors(watch.top, place)) watch.top.setBreakpoint(place.offset, { hit(frame) { if (watch !== null && !busy) noteFinals(frame); } });
    }
    send('placed', { moved, unreachable, nearest: unreachable.length ? lines.slice(-3) : [] });
  };

  const clear = (target) => {
    for (const { script } of watch.stops.get(target.line)) script.clearBreakpoint(target);
  };

  // ------------------------------------------------------------ looking
  // A hook may not call what is debugged (the engine crashes), but may have a mirror do so.
  const emit = (kind, text) => { watch.emit.call(undefined, kind, text); };
  const send = (kind, value) => { emit(kind, JSON.stringify(value)); };

  const nameOf = (frame) => {
    if (frame.script === watch.top) return '<top level>';
    const callee = frame.callee;
    return (callee && render.name(callee)) || '<anonymous>';
  };

  const placeOf = (frame) => {
    const { lineNumber, columnNumber } = frame.script.getOffsetLocation(frame.offset);
    return { function: nameOf(frame), line: lineNumber, column: columnNumber };
  };

  const caller = (frame) => {
    if (frame.older) return frame.older;
    const promise = frame.asyncPromise; // of a function that was resumed: go on with the one that awaits it
    const waiting = promise ? promise.getPromiseReactions().find((reaction) => reaction instanceof Debugger.Frame) : undefined;
    return waiting || null;
  };

  const stackOf = (frame) => {
    const stack = [];
    for (let at = frame, seen = 0; at && seen < MAX_LOOK && stack.length < MAX_STACK; at = caller(at), seen++) {
      if (at.script && at.script.source === watch.source && (at.script === watch.top || !isWrapper(at.script))) stack.push(placeOf(at));
    }
    return stack;
  };

  // The scopes around a frame, out to the task's own top level.
  const scopesOf = (frame) => {
    const scopes = [];
    for (let scope = frame.environment; scope && scope.type === 'declarative'; scope = scope.parent) {
      scopes.push(scope);
      if (scope.calleeScript && isWrapper(scope.calleeScript)) break;
    }
    return scopes;
  };

  const isFunction = (value) => typeof value === 'object' && value !== null && value.callable === true;

  const isGone = (value) => value === undefined || (typeof value === 'object' && value !== null && value.optimizedOut === true);
  const holderOf = (frame, name) => scopesOf(frame).find((scope) => scope.names().includes(name));

  // The engine drops variables that a nested function does not use. They have not changed since, so they are where they were last: in the
  // frame of their function if it still runs, or as they were when the top level had run.
  const found = (frame, scope, name, kept) => {
    const value = scope.getVariable(name);
    if (!isGone(value)) return value;
    let owner = scope;
    while (owner && !owner.calleeScript) owner = owner.parent;
    if (!owner || owner.calleeScript === frame.script) return value;
    const frames = [];
    for (let at = frame.older, seen = 0; at && seen < MAX_LOOK; at = at.older, seen++) if (at.script === owner.calleeScript) frames.push(at);
    const holder = frames.length === 1 ? holderOf(frames[0], name) : undefined; // of several, nobody knows which
    const last = holder ? holder.getVariable(name) : owner.calleeScript === watch.top ? watch.finals.get(name) : undefined;
    if (isGone(last)) return GONE;
    kept[name] = last;
    return last;
  };

  // The engine knows where the variables of a running function are from the time on when it was asked for them.
  const askForVariables = (frame) => {
    for (let at = frame, seen = 0; at && seen < MAX_LOOK; at = at.older, seen++) {
      if (at.script && at.script.source === watch.source) at.environment.names();
    }
  };

  const noteFinals = (frame) => {
    for (const scope of scopesOf(frame)) for (const name of scope.names()) if (!watch.finals.has(name)) watch.finals.set(name, scope.getVariable(name));
  };

  const GONE = { optimizedOut: true };
  const variablesOf = (frame, budget) => {
    const locals = render.object(), outer = render.object(), kept = {}, seen = new Set();
    let inner = true;
    let names = 0;
    const self = frame.callee && !frame.callee.isArrowFunction ? frame.this : undefined;
    if (typeof self === 'object' && self !== null && !self.uninitialized) locals.this = render.value(self, budget);
    for (const scope of scopesOf(frame)) {
      for (const name of scope.names()) {
        if (seen.has(name) || name === 'arguments' || watch.hidden.includes(name)) continue;
        seen.add(name);
        if (names++ >= MAX_NAMES) break;
        const value = found(frame, scope, name, kept);
        if (!inner && (isFunction(value) || value === GONE)) continue;
        (inner ? locals : outer)[name] = render.value(value, budget);
      }
      if (scope.calleeScript) inner = false;
    }
    return { locals, outer, kept };
  };

  const argumentsOf = (frame, budget) => {
    const given = frame.script === watch.top ? null : frame.arguments;
    const shown = [];
    for (let i = 0; given && i < given.length && i < MAX_ARGUMENTS; i++) shown.push(render.value(given[i], budget));
    if (!frame.callee || !(frame.script.isGeneratorFunction || frame.script.isAsyncFunction)) return shown;
    return frame.callee.parameterNames.slice(0, MAX_ARGUMENTS).map((name) => { // resumed: what it was called with is gone, its parameters are not
      const holder = name === undefined ? undefined : holderOf(frame, name);
      return holder ? render.value(holder.getVariable(name), budget) : '<optimised out>';
    });
  };

  const evaluate = (frame, kept, [expression, names]) => {
    const unknown = names.find((name) => holderOf(frame, name) === undefined);
    if (unknown !== undefined) return { error: `ReferenceError: ${unknown} is not defined here` };
    const ended = frame.evalWithBindings(`(${expression}\n)`, kept);
    if (ended === null) return { error: 'it was ended' };
    if ('throw' in ended) return { error: render.error(ended.throw) };
    return { value: render.value(ended.return, render.budget()) };
  };

  const snapshot = (frame, hit, expressions) => {
    const budget = render.budget();
    askForVariables(frame.older);
    const { locals, outer, kept } = variablesOf(frame, budget);
    const taken = { ...placeOf(frame), hit, locals, outer, arguments: argumentsOf(frame, budget), stack: stackOf(frame) };
    if (expressions.length) taken.expressions = expressions.map((expression) => evaluate(frame, kept, expression));
    return taken;
  };

  // Every breakpoint that is ever hit shall have a snapshot: keep one for each that was not.
  const mayTake = (target) => watch.left > watch.targets.filter((other) => other !== target && other.hits === 0).length;

  const onHit = (target, frame) => {
    if (busy || watch === null) return;
    target.hits += 1;
    if (!(target.hits === 1 ? watch.left > 0 : mayTake(target))) {
      cutOff();
      target.idle += 1;
      if (target.idle > MAX_IDLE_HITS) clear(target);
      return;
    }
    busy = true;
    try {
      keep(snapshot(frame, target.hits, watch.expressions));
    } catch { // such as no stack left
      cutOff();
    } finally { busy = false; }
  };

  const keep = (taken) => {
    const text = JSON.stringify(taken);
    watch.characters -= text.length;
    if (watch.characters < 0) {
      watch.left = 0;
      cutOff();
      return;
    }
    watch.left -= 1;
    emit('snapshot', text);
  };

  const cutOff = () => {
    if (!watch.cut) emit('truncated', '{}');
    watch.cut = true;
  };

  // ------------------------------------------------------------ what is thrown
  const isCaught = (frame) => {
    for (let at = frame, seen = 0; at && at.script && at.script.source === watch.source && seen < MAX_LOOK; at = at.older, seen++) {
      if (at.script.isInCatchScope(at.offset)) return true;
    }
    return false;
  };

  // Whether it will end the run is not known yet: keep the last few, and tell of the one that did.
  const onThrow = (frame, value) => {
    if (busy || watch === null || !frame.script || frame.script.source !== watch.source) return;
    const again = watch.unwinding;
    const unwinds = again !== null && again.value === value && (again.frame === frame || again.older === frame);
    if (again === null || frame !== again.frame) watch.unwinding = { value, frame, older: frame.older };
    if (unwinds || watch.throws > MAX_THROWS || (isWrapper(frame.script) && frame.script !== watch.top)) return;
    if (typeof value === 'object' && value !== null && watch.thrown.has(value)) return; // thrown again: the first place tells more
    if (watch.throws > MANY_THROWS && isCaught(frame)) return;
    watch.throws += 1;
    busy = true;
    try {
      const taken = snapshot(frame, 1, []);
      taken.error = render.error(value);
      watch.thrown.delete(value);
      watch.thrown.set(value, JSON.stringify(taken));
      if (watch.thrown.size > THROWS_KEPT) watch.thrown.delete(watch.thrown.keys().next().value);
    } finally { busy = false; }
  };

  // ------------------------------------------------------------ coverage
  const sendCoverage = () => {
    const counts = new Map();
    const begins = new Map(watch.scripts.map((script) => [script, new Set()])); // what joins two branches counts for the line before it
    for (const [line, stops] of watch.stops) {
      counts.set(line, 0);
      for (const { script, offset } of stops) begins.get(script).add(offset);
    }
    for (const script of watch.scripts) {
      for (const place of script.getOffsetsCoverage() || []) {
        if (counts.has(place.lineNumber) && begins.get(script).has(place.offset) && isAuthors(script, place)) {
          const count = place.count < Number.MAX_SAFE_INTEGER ? place.count : 1; // it falls below zero where the stack was used up
          counts.set(place.lineNumber, Math.max(counts.get(place.lineNumber), count));
        }
      }
    }
    const pairs = [...counts];
    for (let i = 0; i === 0 || i < pairs.length; i += LINES_AT_ONCE) send('coverage', pairs.slice(i, i + LINES_AT_ONCE));
  };

  return {
    // Look into the run that starts now. `plan` is JSON text, see observing.py.
    begin(plan, text, tell) {
      const { breakpoints, expressions, snapshots, coverage, throws, lines, shift, hidden } = JSON.parse(plan);
      watch = {
        breakpoints, expressions, coverage, shift, hidden, emit: main.makeDebuggeeValue(tell), lineCount: lines, lines: text.split(/\r\n|[\n\r\u2028\u2029]/),
        left: snapshots, characters: MAX_CHARACTERS, cut: false, source: null, scripts: [], top: null, stops: new Map(), targets: [],
        finals: new Map(), thrown: new Map(), throws: 0, unwinding: null,
      };
      dbg.onNewScript = (script) => {
        if (script.source.text !== text) return; // the first one that says this: nothing of the task has run yet
        dbg.onNewScript = undefined;
        busy = true;
        try { prepare(script); } finally { busy = false; }
      };
      if (throws) dbg.onExceptionUnwind = (frame, value) => { onThrow(frame, value); };
    },
    // The run is over; `reason` is what ended it, if something did.
    finish(failed, reason) {
      dbg.onNewScript = dbg.onExceptionUnwind = undefined;
      if (watch === null) return;
      busy = true;
      try {
        const taken = failed ? watch.thrown.get(main.makeDebuggeeValue(reason)) : undefined;
        if (taken !== undefined) emit('throw', taken);
        if (watch.coverage && watch.source !== null) sendCoverage();
        watch.targets.forEach(clear);
      } finally {
        busy = false;
        watch = null;
      }
    },
  };
}
