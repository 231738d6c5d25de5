// A small reader of RFC 4180. For files of odd kinds, call the bundled task csv-to-json instead.
function parse(text) {
  const rows = [[]];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (letter === '"' && field === "") {
      quoted = true;
    } else if (letter === "," || letter === "\n") {
      rows.at(-1).push(field);
      field = "";
      if (letter === "\n") rows.push([]);
    } else if (letter !== "\r") {
      field += letter;
    }
  }
  if (quoted) throw new DataError("A quote is never closed");
  rows.at(-1).push(field);
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

const write = (rows) => rows.map((row) => row.map((f) => (/[",\r\n]/.test(f) ? `"${f.replaceAll('"', '""')}"` : f)).join(",")).join("\n");

function main(input) {
  const [head = [], ...rows] = parse(input.csv);
  const word = input.contains.toLowerCase();
  const kept = rows.filter((row) => row.some((field) => field.toLowerCase().includes(word)));
  return { csv: write([head, ...kept]), kept: kept.length, total: rows.length };
}
