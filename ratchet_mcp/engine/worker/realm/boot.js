// Build the realm's own kit. `parts` are the other files of this folder, `host` the functions of host.py.
(parts, log, progress, call, startTimer, clearTimer, random, parseUrl, queued, observed, cancel, wait, toUtf8, fromUtf8, happens) => {
  'use strict';

  // Text that the host marked so that it is copied, see host.py.
  const own = (text) => (text.endsWith('\u{1f4cb}') ? text.slice(0, -2) : text);

  const made = (text) => {
    if (typeof text !== 'string') throw new RangeError('out of memory');
    return own(text);
  };

  let id = 0;
  const realm = {
    globals: {},
    limits: { outputBytes: 0, inputBytes: 0, fetchBytes: 0 },
    own,
    nextId: () => (id += 1),
    resetIds: () => { id = 0; },
    host: {
      log: (level, text) => { log(level, text.toWellFormed()); },
      progress: (text) => { progress(text.toWellFormed()); },
      call: (number, method, text) => { call(number, method, text.toWellFormed()); },
      cancel: (number) => { cancel(number); },
      wait: (number) => own(`${wait(number) || ''}`), // '+' or '-' and JSON text; nothing when there is no answer to wait for
      startTimer: (number, milliseconds) => { startTimer(number, milliseconds); },
      clearTimer: (number) => { clearTimer(number); },
      queued: () => queued(),
      observed: (kind, text) => { observed(kind, text); }, // in debugging workers only
      random: (count) => own(`${random(count)}`),
      parseUrl: (url, base, changed, value) => own(`${parseUrl(url, base, changed, value) || ''}`),
      happens: (kind, number) => Number(happens(kind, number)),
      toUtf8: (text) => made(toUtf8(text.toWellFormed())), // base64
      fromUtf8: (base64) => made(fromUtf8(base64)),
    },
  };
  const [rejections, ...rest] = parts;
  rejections(realm);
  hardenIntrinsics();
  for (const part of rest) part(realm);
  harden(realm.globals);
  harden(Intl);
  const segments = new Intl.Segmenter('en').segment(''); // prototypes that only an instance leads to
  harden(Object.getPrototypeOf(segments));
  harden(Object.getPrototypeOf(segments[Symbol.iterator]()));
  harden(Float32Array);
  harden(Float64Array);
  return realm;
}
