(function (input) {
  const DAY = 86400000;
  const NAMES = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const rest = new Set(input.rest_on ?? []);
  const dates = [];
  for (let time = Date.parse(input.first_day); time <= Date.parse(input.last_day); time += DAY) {
    const date = new Date(time);
    if (!rest.has(NAMES[date.getUTCDay()])) dates.push(date.toISOString().slice(0, 10));
  }
  if (dates.length === 0) {
    throw new ValidationError("There is no day to read between the first and the last day", { rest_on: [...rest] });
  }
  const pageAfter = (index) => Math.floor((input.pages * index) / dates.length);
  const days = dates.map((date, index) => ({ date, from_page: pageAfter(index) + 1, to_page: pageAfter(index + 1) }));
  return { days: days.filter(({ from_page, to_page }) => from_page <= to_page) };
})
