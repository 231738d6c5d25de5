// `tasks`: a task runs others, one by one (`call`) or several at the same time (`all`).
(realm) => {
  'use strict';

  const METHOD = 'tasks.call';
  const TOGETHER = 4, MOST_TOGETHER = 100;

  // The arguments of one entry of `all`: `[name, input]` or `{ task, input }`.
  const entryOf = (entry, index) => {
    const pair = Array.isArray(entry);
    const usable = pair ? entry.length === 1 || entry.length === 2 : typeof entry === 'object' && entry !== null;
    if (!usable) throw new TypeError(`tasks.all: entry ${index} is [name, input] or { task, input }, not ${realm.inspect(entry)}`);
    const [name, input = {}] = pair ? entry : [entry.task, entry.input];
    if (typeof name !== 'string' || name === '') throw new TypeError(`tasks.all: entry ${index} needs the name of a task, not ${realm.inspect(name)}`);
    return { task: name, input };
  };

  const togetherOf = (options) => {
    const given = options === undefined || options === null ? undefined : options.max_parallel;
    if (given === undefined) return TOGETHER;
    if (!Number.isInteger(given) || given < 1 || given > MOST_TOGETHER) {
      throw new TypeError(`tasks.all: max_parallel is a whole number from 1 to ${MOST_TOGETHER}, not ${realm.inspect(given)}`);
    }
    return given;
  };

  // Every call is one of its own to the host, so that a run with a course repeats them like any others.
  const together = (run, texts, most) => new Promise((resolve, reject) => {
    const outputs = new Array(texts.length).fill(null), open = new Set();
    let next = 0, done = 0, failed = false;
    const fail = (error) => {
      if (failed) return;
      failed = true;
      for (const call of open) run.cancelCall(call);
      reject(error);
    };
    const start = () => {
      while (!failed && next < texts.length && open.size < most) {
        const index = next;
        next += 1;
        const call = run.startCall(METHOD, texts[index], {
          resolve(value) {
            open.delete(call);
            outputs[index] = value;
            done += 1;
            if (done === texts.length) resolve(outputs);
            else try { start(); } catch (error) { fail(error); }
          },
          reject(error) {
            open.delete(call);
            fail(error);
          },
        });
        open.add(call);
      }
    };
    if (texts.length === 0) resolve(outputs);
    else try { start(); } catch (error) { fail(error); }
  });

  realm.makeTasks = (run) => ({
    call: (name, input = {}) => realm.hostCall(run, METHOD, { task: `${name}`, input }),
    all: async (entries, options) => {
      if (!Array.isArray(entries)) throw new TypeError(`tasks.all: a list of calls is expected, not ${realm.inspect(entries)}`);
      const most = togetherOf(options), texts = [];
      for (let index = 0; index < entries.length; index += 1) texts.push(realm.packArguments('tasks.all', entryOf(entries[index], index)));
      return together(run, texts, most);
    },
  });
}
