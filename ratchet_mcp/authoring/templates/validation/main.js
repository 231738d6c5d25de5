// Each rule returns a message, or nothing when the record keeps it.
const rules = {
  total: (order) => {
    const sum = order.items.reduce((total, item) => total + item.price * item.quantity, 0);
    return Math.abs(sum - order.total) < 0.005 ? undefined : `total is ${order.total}, the items add up to ${sum}`;
  },
  items: (order) => (order.items.length ? undefined : "an order has at least one item"),
  email: (order) => (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(order.email) ? undefined : `${order.email} is not an e-mail address`),
};

function main(input) {
  const problems = input.orders.flatMap((order, index) =>
    Object.entries(rules).flatMap(([field, rule]) => {
      const message = rule(order);
      return message === undefined ? [] : [{ path: `$.orders[${index}].${field}`, message }];
    }),
  );
  return { valid: problems.length === 0, problems };
}
