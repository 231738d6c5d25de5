const cell = (value) => String(value ?? "").replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
const line = (cells) => `| ${cells.join(" | ")} |`;

function main(input) {
  const { title, columns, rows } = input;
  const totals = columns.map((column) => {
    const values = rows.map((row) => row[column]);
    return values.length && values.every((value) => typeof value === "number") ? values.reduce((a, b) => a + b, 0) : "";
  });
  const lines = [
    `# ${title}`,
    "",
    line(columns.map(cell)),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(columns.map((column) => cell(row[column])))),
  ];
  if (totals.some((total) => total !== "")) lines.push(line(totals.map((total) => (total === "" ? "" : `**${total}**`))));
  return { markdown: lines.join("\n") + "\n" };
}
