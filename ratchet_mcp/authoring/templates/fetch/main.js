// Asks an HTTP API. metadata.json names its host (network.allow), and the tests answer in its place (mock.http).
const ORDERS = "https://api.example.com/v1/orders";

async function main(input) {
  const url = new URL(ORDERS);
  url.searchParams.set("customer", input.customer);
  const response = await fetch(url, { headers: { accept: "application/json" }, timeout: 10_000 });
  if (response.status === 404) throw new ValidationError(`No customer is called ${input.customer}`, { field: "customer" });
  if (!response.ok) throw new HttpError(`The orders cannot be had: status ${response.status}`, response.status);

  const { orders } = await response.json();
  if (!Array.isArray(orders)) throw new DataError("The answer has no list of orders");
  const open = orders.filter((order) => !order.paid).map(({ id, total }) => ({ id, total }));
  return { open, due: open.reduce((sum, order) => sum + order.total, 0) };
}
