// Time and chance of a run that is recorded or repeated: they follow from where it started and from a seed.
(realm) => {
  'use strict';

  const { Date: RealDate, Math: RealMath, Intl: RealIntl } = globalThis;
  const LOOKS = 1000; // looks at the clock that make a millisecond, so that a loop that waits for a time ends

  realm.now = () => (realm.current && realm.current.clock ? realm.current.clock.now() : RealDate.now());

  const makeClock = (started) => {
    let base = started, looks = 0;
    return {
      now: () => { looks += 1; return base + RealMath.floor(looks / LOOKS); },
      set: (milliseconds) => { base = RealMath.max(base + RealMath.floor(looks / LOOKS), milliseconds); looks = 0; },
    };
  };

  // xoshiro128** by Blackman and Vigna: the same numbers in every version of the engine.
  const makeChance = (seed) => {
    const s = [0, 8, 16, 24].map((at) => parseInt(seed.slice(at, at + 8), 16) | 0);
    if (s.every((word) => word === 0)) s[0] = 1;
    const turn = (word, by) => (word << by) | (word >>> (32 - by));
    const next = () => {
      const result = RealMath.imul(turn(RealMath.imul(s[1], 5), 7), 9) >>> 0, shifted = s[1] << 9;
      s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= shifted; s[3] = turn(s[3], 11);
      return result;
    };
    return {
      random: () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992,
      hex: (count) => {
        let text = '';
        while (text.length < 2 * count) text += next().toString(16).padStart(8, '0');
        return text.slice(0, 2 * count);
      },
    };
  };

  const copyOf = (object, changes) => Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(object), ...Object.getOwnPropertyDescriptors(changes) });

  const makeDate = (now) => {
    function Date(...args) {
      if (new.target === undefined) return new RealDate(now()).toString();
      return Reflect.construct(RealDate, args.length === 0 ? [now()] : args, new.target === Date ? RealDate : new.target);
    }
    Object.defineProperties(Date, {
      prototype: { value: RealDate.prototype, writable: false }, length: { value: 7 },
      now: { value: () => now(), writable: true, configurable: true },
      parse: { value: RealDate.parse, writable: true, configurable: true },
      UTC: { value: RealDate.UTC, writable: true, configurable: true },
    });
    return Date;
  };

  // A formatter without a date formats the time of the run.
  const makeFormat = (now) => {
    const Real = RealIntl.DateTimeFormat;
    function DateTimeFormat(locales, options) {
      const format = Reflect.construct(Real, [locales, options], new.target === undefined || new.target === DateTimeFormat ? Real : new.target);
      return Object.defineProperties(format, {
        format: { value: (date) => Reflect.apply(Reflect.get(Real.prototype, 'format', format), undefined, [date === undefined ? now() : date]) },
        formatToParts: { value: (date) => Reflect.apply(Real.prototype.formatToParts, format, [date === undefined ? now() : date]) },
      });
    }
    Object.defineProperties(DateTimeFormat, {
      prototype: { value: Real.prototype, writable: false }, supportedLocalesOf: { value: Real.supportedLocalesOf, writable: true, configurable: true },
    });
    return DateTimeFormat;
  };

  // The globals that such a run gets instead of the usual ones.
  realm.makeRepeatable = (run, started, seed) => {
    const clock = run.clock = makeClock(started), chance = run.chance = makeChance(seed);
    return harden({
      Date: makeDate(clock.now),
      Math: copyOf(RealMath, { random: () => chance.random() }),
      Intl: copyOf(RealIntl, { DateTimeFormat: makeFormat(clock.now) }),
    });
  };
}
