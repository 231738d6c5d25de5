// The weather of now and the days to come, from Open-Meteo. Form: async function main.

const PLACES = "https://geocoding-api.open-meteo.com/v1/search";
const FORECAST = "https://api.open-meteo.com/v1/forecast";
const CURRENT = {
  temperature: "temperature_2m",
  feels_like: "apparent_temperature",
  humidity: "relative_humidity_2m",
  precipitation: "precipitation",
  wind_speed: "wind_speed_10m",
  wind_direction: "wind_direction_10m",
};
const DAILY = {
  min: "temperature_2m_min",
  max: "temperature_2m_max",
  precipitation: "precipitation_sum",
  precipitation_probability: "precipitation_probability_max",
  wind_max: "wind_speed_10m_max",
  sunrise: "sunrise",
  sunset: "sunset",
};
const UNITS = {
  metric: { temperature: "°C", wind: "km/h", precipitation: "mm", query: {} },
  imperial: { temperature: "°F", wind: "mph", precipitation: "inch", query: { temperature_unit: "fahrenheit", wind_speed_unit: "mph", precipitation_unit: "inch" } },
};
const POINTS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];

// WMO code table 4677, as far as the service uses it.
const SKY = new Map([
  [0, "clear"], [1, "mostly clear"], [2, "partly cloudy"], [3, "overcast"], [45, "fog"], [48, "freezing fog"],
  [51, "light drizzle"], [53, "drizzle"], [55, "heavy drizzle"], [56, "light freezing drizzle"], [57, "freezing drizzle"],
  [61, "light rain"], [63, "rain"], [65, "heavy rain"], [66, "light freezing rain"], [67, "freezing rain"],
  [71, "light snow"], [73, "snow"], [75, "heavy snow"], [77, "snow grains"],
  [80, "light showers"], [81, "showers"], [82, "violent showers"], [85, "light snow showers"], [86, "heavy snow showers"],
  [95, "thunderstorm"], [96, "thunderstorm with light hail"], [99, "thunderstorm with hail"],
]);

async function main(input) {
  const { days = 3, units = "metric" } = input;
  checkWhere(input);
  const place = input.place === undefined ? pointOf(input) : await findPlace(input);
  const { query, ...named } = UNITS[units];
  const found = await ask(FORECAST, {
    latitude: place.latitude,
    longitude: place.longitude,
    current: ["weather_code", ...Object.values(CURRENT)].join(),
    daily: ["weather_code", ...Object.values(DAILY)].join(),
    forecast_days: days,
    timezone: "auto",
    ...query,
  });
  const { current, daily } = found;
  if (!Array.isArray(daily?.time) || current === undefined) throw new DataError("The forecast has no days, or nothing of now", { keys: Object.keys(found) });
  return {
    place: { ...place, timezone: found.timezone ?? null },
    units: named,
    current: { time: current.time, sky: sky(current.weather_code), ...pick(CURRENT, (field) => current[field]), wind_from: windFrom(current.wind_direction_10m) },
    days: daily.time.map((date, day) => ({ date, sky: sky(daily.weather_code?.[day]), ...pick(DAILY, (field) => daily[field]?.[day]) })),
  };
}

function checkWhere({ place, country, latitude, longitude }) {
  const isPoint = latitude !== undefined && longitude !== undefined;
  const isHalf = !isPoint && (latitude !== undefined || longitude !== undefined);
  if (isHalf || isPoint === (place !== undefined)) throw new ValidationError("Give either a place, or both latitude and longitude", { field: "place" });
  if (isPoint && country !== undefined) throw new ValidationError("A point needs no country", { field: "country" });
}

function pointOf({ latitude, longitude }) {
  return { name: `${latitude}, ${longitude}`, region: null, country: null, latitude, longitude };
}

async function findPlace({ place, country }) {
  const { results = [] } = await ask(PLACES, { name: place, count: 20, language: "en", format: "json" });
  const inside = country === undefined ? results : results.filter(({ country_code: code }) => code === country.toUpperCase());
  if (inside.length === 0) {
    const elsewhere = [...new Set(results.map(({ country_code: code }) => code))].join(", ");
    const hint = elsewhere === "" ? "Give the name alone, without region or country, or latitude and longitude" : `There are such places in ${elsewhere}`;
    throw new ValidationError(`No place is called ${JSON.stringify(place)}${country === undefined ? "" : ` in ${country.toUpperCase()}`}. ${hint}`, { field: "place" });
  }
  const { name, admin1 = null, country: land = null, latitude, longitude } = inside[0];
  return { name, region: admin1, country: land, latitude, longitude };
}

async function ask(address, query) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (response.status === 429) throw new RateLimitError("The weather service has had enough requests for now; try again later", { host: url.host });
  if (!response.ok) {
    const { reason } = await response.json().catch(() => ({}));
    throw new HttpError(`The weather service answered ${response.status}${reason === undefined ? "" : `: ${reason}`}`, { status: response.status });
  }
  return response.json();
}

function pick(fields, valueOf) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valueOf(field) ?? null]));
}

function sky(code) {
  return SKY.get(code) ?? "unknown";
}

function windFrom(degrees) {
  return typeof degrees === "number" ? POINTS[Math.round(degrees / 45) % 8] : null;
}
