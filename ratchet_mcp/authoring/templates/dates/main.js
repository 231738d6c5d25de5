const DAY = 24 * 60 * 60 * 1000;

function day(text, field) {
  const time = Date.parse(`${text}T00:00:00Z`);
  // Date.parse takes 2023-02-30 for a day in March
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text) {
    throw new ValidationError(`${field}: there is no day ${text}`, { field, value: text });
  }
  return time;
}

function main(input) {
  const { start, end, every_days: step, skip_weekends: skip = false } = input;
  const last = day(end, "end");
  const dates = [];
  for (let time = day(start, "start"); time <= last; time += step * DAY) {
    const weekday = new Date(time).getUTCDay();
    if (!skip || (weekday !== 0 && weekday !== 6)) {
      dates.push(new Date(time).toISOString().slice(0, 10));
    }
  }
  return { dates };
}
