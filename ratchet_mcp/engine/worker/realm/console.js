// `console`, one for each run: lines go to the execution's log.
(realm) => {
  'use strict';

  const table = (rows) => {
    if (typeof rows !== 'object' || rows === null) return realm.inspect(rows);
    return Object.keys(rows).slice(0, 100).map((key) => `${key}: ${realm.inspect(rows[key])}`).join('\n');
  };

  realm.makeConsole = (run) => {
    let indent = '';
    const counts = new Map(), clocks = new Map();
    const write = (level, text) => {
      if (run.live) realm.host.log(level, indent ? text.replace(/^/gm, indent) : text);
    };
    const line = (level) => (...args) => write(level, realm.format(args));
    const elapsed = (label, more) => {
      const start = clocks.get(label);
      write(start === undefined ? 'warn' : 'info', start === undefined ? `Timer '${label}' does not exist` : `${label}: ${realm.now() - start}ms${more}`);
    };
    return {
      log: line('info'), info: line('info'), warn: line('warn'), error: line('error'), debug: line('debug'), trace: line('trace'),
      dir: (value) => write('info', realm.inspect(value)),
      table: (rows) => { let text; try { text = table(rows); } catch { text = '[unreadable]'; } write('info', text); },
      assert: (condition, ...args) => { if (!condition) write('error', `Assertion failed${args.length ? ': ' + realm.format(args) : ''}`); },
      count: (label = 'default') => { const n = (counts.get(label) || 0) + 1; counts.set(label, n); write('info', `${String(label)}: ${n}`); },
      countReset: (label = 'default') => { counts.delete(label); },
      group: (...args) => { if (args.length) write('info', realm.format(args)); indent = (indent + '  ').slice(0, 40); },
      groupCollapsed: (...args) => { if (args.length) write('info', realm.format(args)); indent = (indent + '  ').slice(0, 40); },
      groupEnd: () => { indent = indent.slice(2); },
      time: (label = 'default') => { clocks.set(`${label}`, realm.now()); },
      timeLog: (label = 'default', ...args) => elapsed(`${label}`, args.length ? ` ${realm.format(args)}` : ''),
      timeEnd: (label = 'default') => { elapsed(`${label}`, ''); clocks.delete(`${label}`); },
    };
  };
}
