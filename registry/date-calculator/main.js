// Calendar arithmetic in UTC: the local time zone of the machine never matters. Form: function main.

const DAY = 86_400_000;
const UNITS = { weeks: 7 * DAY, days: DAY, hours: 3_600_000, minutes: 60_000, seconds: 1000 };
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

function main(input) {
  switch (input.operation) {
    case "describe":
      return { result: describe(read(input.date)) };
    case "add":
      return { result: describe(add(read(input.date), input.amount)) };
    case "difference":
      return { difference: difference(read(input.from), read(input.to), calendarOf(input)) };
    case "add_business_days":
      return { result: describe(addBusinessDays(read(input.date), input.business_days, calendarOf(input))) };
  }
  return { sequence: sequence(read(input.date), input.amount, input.count).map(write) };
}

// ------------------------------------------------------------------ reading and writing
// An instant is `{time, hasTime}`: milliseconds since the epoch, and whether a time of day was given.

function read(text) {
  if (text === "now") return { time: Date.now(), hasTime: true };
  if (text === "today") return { time: Math.floor(Date.now() / DAY) * DAY, hasTime: false };
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2}))?)?$/.exec(text);
  if (!match) {
    const forms = "2025-03-31, 2025-03-31T14:30:00Z, 2025-03-31T14:30:00+02:00, today or now";
    throw new ValidationError(`${JSON.stringify(text)} is not a date: write ${forms}`, { date: text });
  }
  const [, year, month, day, hour, minute, second = "0", fraction = "", , sign, offsetHours = "0", offsetMinutes = "0"] = match;
  if (Number(day) < 1 || Number(day) > daysInMonth(Number(year), Number(month))) {
    throw new ValidationError(`There is no day ${text.slice(0, 10)} in the calendar`, { date: text });
  }
  const midnight = daysSinceEpoch(Number(year), Number(month), Number(day)) * DAY;
  if (hour === undefined) return { time: midnight, hasTime: false };
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || Number(offsetHours) > 23 || Number(offsetMinutes) > 59) {
    throw new ValidationError(`There is no such time of day in ${JSON.stringify(text)}`, { date: text });
  }
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * UNITS.minutes * (sign === "-" ? -1 : 1);
  const milliseconds = Number(fraction.padEnd(3, "0").slice(0, 3));
  return inRange({
    time: midnight + Number(hour) * UNITS.hours + Number(minute) * UNITS.minutes + Number(second) * 1000 + milliseconds - offset,
    hasTime: true,
  });
}

function inRange(instant) {
  const year = civil(instant.time).year;
  if (year < 0 || year > 9999 || Number.isNaN(year)) throw new DataError("The result is outside the years 0000 to 9999", {});
  return instant;
}

function write({ time, hasTime }) {
  const text = new Date(time).toISOString();
  if (!hasTime) return text.slice(0, 10);
  return time % 1000 === 0 ? `${text.slice(0, 19)}Z` : text;
}

// ------------------------------------------------------------------ the calendar

/** Sets the year apart, because Date.UTC takes 0 to 99 as 1900 to 1999. Months beyond 12 carry over. */
function daysSinceEpoch(year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() / DAY;
}

function civil(time) {
  const date = new Date(time);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

function isLeap(year) {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysInMonth(year, month) {
  return [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}

function weekdayOf(day) {
  return (((day + 4) % 7) + 7) % 7; // 1970-01-01 was a Thursday
}

/** ISO 8601: weeks start on Monday, and week 1 is the one with the year's first Thursday. */
function isoWeek(time) {
  const day = Math.floor(time / DAY);
  const thursday = day - ((weekdayOf(day) + 6) % 7) + 3;
  const { year } = civil(thursday * DAY);
  return { year, week: Math.floor((thursday - daysSinceEpoch(year, 1, 1)) / 7) + 1 };
}

function describe(instant) {
  const { time } = instant;
  const { year, month, day } = civil(time);
  const weekday = weekdayOf(Math.floor(time / DAY));
  const iso = isoWeek(time);
  return {
    date: write(instant),
    weekday: WEEKDAYS[weekday],
    iso_weekday: weekday === 0 ? 7 : weekday,
    iso_week: `${String(iso.year).padStart(4, "0")}-W${String(iso.week).padStart(2, "0")}`,
    day_of_year: Math.floor(time / DAY) - daysSinceEpoch(year, 1, 1) + 1,
    quarter: Math.ceil(month / 3),
    days_in_month: daysInMonth(year, month),
    is_last_day_of_month: day === daysInMonth(year, month),
    is_leap_year: isLeap(year),
    is_weekend: weekday === 0 || weekday === 6,
    unix_seconds: Math.floor(time / 1000),
  };
}

// ------------------------------------------------------------------ adding

/** Adds years and months first (a day that the month lacks becomes its last one), then exact units. */
function add(start, amount, times = 1) {
  const { year, month, day } = civil(start.time);
  const months = year * 12 + (month - 1) + times * ((amount.years ?? 0) * 12 + (amount.months ?? 0));
  const [newYear, newMonth] = [Math.floor(months / 12), (((months % 12) + 12) % 12) + 1];
  const newDay = Math.min(day, daysInMonth(newYear, newMonth));
  let time = daysSinceEpoch(newYear, newMonth, newDay) * DAY + (((start.time % DAY) + DAY) % DAY);
  for (const [unit, size] of Object.entries(UNITS)) time += times * (amount[unit] ?? 0) * size;
  const hasTime = start.hasTime || ["hours", "minutes", "seconds"].some((unit) => unit in amount);
  return inRange({ time, hasTime });
}

/** Each date is counted from the start, so that 31 January plus months gives the last day of each month and not the 28th for ever. */
function sequence(start, amount, count) {
  return Array.from({ length: count }, (_, index) => add(start, amount, index));
}

// ------------------------------------------------------------------ business days

function calendarOf({ weekend = ["Saturday", "Sunday"], holidays = [] }) {
  const closed = new Set(weekend.map((name) => WEEKDAYS.indexOf(name)));
  if (closed.size === 7) throw new ValidationError("A week without business days has no answer", { weekend });
  const off = new Set(holidays.map((text) => Math.floor(read(text).time / DAY)));
  return { openDays: 7 - closed.size, isOpen: (day) => !closed.has(weekdayOf(day)), off };
}

/** Steps over days that are closed; a start on a closed day counts from there. */
function addBusinessDays(start, count, { isOpen, off }) {
  const direction = Math.sign(count);
  let day = Math.floor(start.time / DAY);
  for (let left = Math.abs(count); left > 0; ) {
    day += direction;
    if (isOpen(day) && !off.has(day)) left -= 1;
    if (day < -719528 || day > 2932896) throw new DataError("The result is outside the years 0000 to 9999", {});
  }
  return inRange({ time: start.time + (day - Math.floor(start.time / DAY)) * DAY, hasTime: start.hasTime });
}

/** Business days after the first date, up to and including the last: Monday to Tuesday is one. */
function businessDaysBetween(first, last, { openDays, isOpen, off }) {
  const weeks = Math.floor((last - first) / 7);
  let count = weeks * openDays;
  for (let day = first + weeks * 7 + 1; day <= last; day += 1) if (isOpen(day)) count += 1;
  for (const day of off) if (day > first && day <= last && isOpen(day)) count -= 1;
  return count;
}

// ------------------------------------------------------------------ difference

function difference(from, to, calendar) {
  const sign = to.time < from.time ? -1 : 1;
  const [early, late] = sign === 1 ? [from, to] : [to, from];
  const total = late.time - early.time;
  const signed = (value) => sign * value + 0; // never -0
  return {
    from: write(from),
    to: write(to),
    calendar: { sign, ...inCalendarUnits(early, late) },
    total_days: signed(Math.floor(total / DAY)),
    total_weeks: signed(Math.floor(total / (7 * DAY))),
    total_hours: signed(Math.floor(total / UNITS.hours)),
    total_minutes: signed(Math.floor(total / UNITS.minutes)),
    total_seconds: signed(Math.floor(total / 1000)),
    business_days: signed(businessDaysBetween(Math.floor(early.time / DAY), Math.floor(late.time / DAY), calendar)),
  };
}

/** The most whole months that fit from the early date, then days and smaller units; adding them to it gives the late date. */
function inCalendarUnits(early, late) {
  const [a, b] = [civil(early.time), civil(late.time)];
  let months = (b.year - a.year) * 12 + b.month - a.month;
  if (months > 0 && add(early, { months }).time > late.time) months -= 1;
  let rest = late.time - add(early, { months }).time;
  const units = { years: Math.floor(months / 12), months: months % 12 };
  for (const unit of ["days", "hours", "minutes", "seconds"]) {
    units[unit] = Math.floor(rest / UNITS[unit]);
    rest -= units[unit] * UNITS[unit];
  }
  return units;
}
