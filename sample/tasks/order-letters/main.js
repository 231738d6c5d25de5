// Writes a letter for each order with the bundled template task. Form: module.exports.
const LETTER = `Dear {{customer.name}},

thank you for order {{id}} of {{placed_on}}.
{{#items}}
- {{quantity}} x {{name}}
{{/items}}
Total: {{total}} {{currency}}
{{#shipment}}

It travels with {{carrier}}, number {{tracking}}.
{{/shipment}}
`;

module.exports = {
  async main({ orders, status }) {
    const chosen = orders.filter((order) => status === undefined || order.status === status);
    const letters = [];
    for (const [index, order] of chosen.entries()) {
      const total = order.items.reduce((sum, { quantity, unit_price }) => sum + Math.round(quantity * unit_price * 100), 0) / 100;
      const data = { ...order, total: total.toFixed(2), placed_on: order.placed_at.slice(0, 10) };
      const { text } = await tasks.call("render-template", { template: LETTER, data, escape: "none", missing: "error" });
      letters.push({ order: order.id, to: order.customer.email, text });
      reportProgress((index + 1) / chosen.length, "write", `letter to ${order.customer.name}`);
    }
    return { letters };
  },
};
