"""A tour of Ratchet: an MCP client starts `ratchet-mcp`, runs bundled tasks on sample data, writes one; meets failures."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import anyio
from authoring import write_a_task
from mcp import Client, StdioServerParameters
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from showing import Demo, heading, out, rows

DATA = Path(__file__).resolve().parents[1] / "data"


def read(name: str) -> str:
    """Read one of the sample files."""
    return (DATA / name).read_text(encoding="utf-8")


async def what_is_there(demo: Demo, started: float) -> None:
    """Show the server and its tasks."""
    heading("An MCP client has started ratchet-mcp over stdio")
    tools = await demo.client.list_tools()
    out.print(f"first answer after {(time.perf_counter() - started) * 1000:.0f} ms; tools: {', '.join(tool.name for tool in tools.tools)}")
    status = (await demo.call("server_status", {})).structured_content or {}
    out.print(f"version {status['version']}, isolation [bold green]{status['isolation']['level']}[/], {len(status['workers'])} workers")
    heading("The tasks that come with it")
    listed = (await demo.call("list_tasks", {})).structured_content or {}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for task in listed["tasks"]:
        sentence = task["description"].split(". ")[0].split(": ")[0]
        table.add_row(f"[bold]{task['name']}", escape(sentence if len(sentence) < 80 else sentence[:78].rsplit(" ", 1)[0] + " …"))
    out.print(table)


async def analyse_sales(demo: Demo) -> None:
    """Chain three tasks: the output of one is the input of the next."""
    heading("From a CSV file to an answer: where do the pieces go?")
    table = await demo.run("csv-to-json", {"csv": read("sales.csv")}, csv=f"… sales.csv, {len(read('sales.csv'))} characters …")
    kinds = ", ".join(f"{column['name']}: {column['type']}" for column in table["columns"])
    out.print(f"{table['row_count']} rows; {escape(kinds)}")
    question = {
        "group_by": ["region"],
        "aggregates": [
            {"op": "count", "as": "orders"},
            {"op": "sum", "field": "quantity", "as": "pieces"},
            {"op": "median", "field": "unit_price", "as": "median_price"},
        ],
        "where": [{"field": "returned", "op": "eq", "value": False}],
        "sort": [{"by": "pieces", "descending": True}],
    }
    grouped = await demo.run("group-and-aggregate", {"rows": table["rows"], **question}, rows="… those rows …", **question)
    out.print(rows(grouped["groups"]))
    quantities = [row["quantity"] for row in table["rows"]]
    described = await demo.run("describe-numbers", {"values": quantities}, values=f"… {len(quantities)} quantities …")
    largest = table["rows"][max(described["outliers"], key=lambda outlier: outlier["value"])["index"]]
    out.print(
        f"a usual order has {described['median']:g} pieces; {largest['order_id']} in the {largest['region']} has {largest['quantity']}"
    )


async def read_texts(demo: Demo) -> None:
    """Run tasks on text."""
    heading("Reading a short story, and the minutes of a meeting")
    story = await demo.run(
        "text-statistics", {"text": read("harbour.txt"), "ignore_common_words": True}, text="… harbour.txt …", ignore_common_words=True
    )
    out.print(f"{story['words']} words, {story['sentences']} sentences, {story['reading_time_seconds']} s to read")
    most = max(word["count"] for word in story["top_words"])
    for word in story["top_words"][:5]:
        out.print(f"  {escape(word['word']):<12} [blue]{'█' * round(20 * word['count'] / most)}[/] {word['count']}")
    found = await demo.run("extract-from-text", {"text": read("notes.md")}, text="… notes.md …")
    out.print(f"found in the minutes: {escape(json.dumps({kind: count for kind, count in found['counts'].items() if count}))}")


async def call_tasks(demo: Demo) -> None:
    """Run a task that calls other tasks and reports progress."""
    heading("A task that calls other tasks, with progress")
    summary = await demo.run("summarize-csv", {"csv": read("planets.csv")}, csv="… planets.csv …")
    columns = [
        {"column": c["name"], "type": c["type"], **{k: c.get("numbers", c).get(k) for k in ("min", "median", "max")}}
        for c in summary["columns"]
    ]
    out.print(rows([column for column in columns if column["median"] is not None]))


PRIMES = """\
async function main({ below }) {
  const sieve = new Uint8Array(below);
  const primes = [];
  for (let n = 2; n < below; n++) {
    if (sieve[n]) continue;
    primes.push(n);
    for (let m = n * n; m < below; m += n) sieve[m] = 1;
  }
  console.log(`looked at ${below} numbers`);
  return { count: primes.length, last: primes.at(-1) };
}"""

BUG = """\
function main(input) {
  const total = input.items
    .map((item) => item.price.amount)
    .reduce((a, b) => a + b);
  return { total };
}"""

ESCAPE = """\
() => {
  const attempt = (f) => { try { return String(f()); } catch (error) { return error.message; } };
  return {
    environment: attempt(() => process.env.HOME),
    files: attempt(() => globalThis.require('fs').readFileSync('/etc/passwd')),
    constructor: attempt(() => (() => {}).constructor('return process')()),
    eval: attempt(() => (0, eval)('typeof process + typeof globalThis.python')),
    prototype: attempt(() => { Object.prototype.polluted = 1; return 'polluted'; }),
  };
}"""


async def write_code(demo: Demo) -> None:
    """Run functions that are not saved anywhere."""
    heading("Code that the model wrote a second ago")
    out.print(Syntax(PRIMES, "javascript", background_color="default"))
    result = await demo.call(
        "run_javascript", {"code": PRIMES, "input": {"below": 2_000_000}}, show={"code": "…", "input": {"below": 2_000_000}}
    )
    out.print(escape(json.dumps((result.structured_content or {})["output"])))


async def meet_failures(demo: Demo) -> None:
    """Show what failures look like to a model."""
    heading("Failures tell what to change")
    await demo.fail("execute_task", {"task": "describe-numbers", "input": {"values": [1, 2, "three"], "binz": 3}})
    await demo.fail("execute_task", {"task": "text-statistic", "input": {"text": "Which task?"}})
    await demo.fail("run_javascript", {"code": BUG, "input": {"items": [{"price": {"amount": 3}}, {}]}})
    heading("Code that misbehaves is stopped, and the next run is not affected")
    await demo.fail("run_javascript", {"code": "() => { for (;;) {} }", "timeout_seconds": 1})
    await demo.fail("run_javascript", {"code": "() => { const kept = []; for (;;) kept.push(new Array(1e5).fill(1.5)); }"})
    heading("Code that looks for a way out finds none")
    out.print(Syntax(ESCAPE, "javascript", background_color="default"))
    result = await demo.call("run_javascript", {"code": ESCAPE}, show={"code": "…"})
    for attempt, outcome in (result.structured_content or {})["output"].items():
        out.print(f"  {attempt:<12} {escape(outcome)}")


async def outlive_the_call(demo: Demo) -> None:
    """Chain two tasks in one call, and start a job that goes on after its call."""
    heading("Several tasks in one call, and one that outlives its call")
    question = {"group_by": ["region"], "aggregates": [{"op": "sum", "field": "quantity", "as": "pieces"}]}
    requests = [
        {"id": "table", "task": "csv-to-json", "input": {"csv": read("sales.csv")}},
        {"id": "pieces", "task": "group-and-aggregate", "input": {"rows": {"$from": "table", "path": "/rows"}, **question}},
    ]
    shown = [{**requests[0], "input": {"csv": "… sales.csv …"}}, requests[1]]
    batch = await demo.fine("batch_execute", {"requests": requests}, show={"requests": shown})
    out.print(rows(batch["results"][1]["output"]["groups"]))
    job = {"task": "text-statistics", "input": {"text": read("notes.md")}, "background": True, "retry": {"attempts": 3}}
    begun = await demo.fine("execute_task", job, show={**job, "input": {"text": "… notes.md …"}})
    ended = await demo.fine("get_status", {"id": begun["job_id"], "wait_seconds": 20})
    out.print(f"job {begun['job_id']}: {ended['status']} at attempt {ended['attempts']} of {ended['max_attempts']}")


async def look_back(demo: Demo) -> None:
    """Show the recorded executions."""
    heading("Everything is recorded")
    listed = (await demo.call("list_executions", {"limit": 50})).structured_content or {}
    records = [
        {**run, "error": (run.get("error") or {}).get("code", ""), "ms": run["duration_ms"], "at": run["started_at"][11:23]}
        for run in listed["executions"]
    ]
    out.print(rows(records, ["task", "version", "status", "ms", "error", "at"], limit=20))
    status = (await demo.call("server_status", {})).structured_content or {}
    out.print(f"{sum(worker.get('runs', 0) for worker in status['workers'])} runs on the workers that are alive now")


async def tour(folder: str) -> None:
    """Start a server that keeps its data in `folder`, and show everything."""
    command = Path(sys.executable).with_name("ratchet-mcp")
    env = {**os.environ, "RATCHET_STORE__URL": f"sqlite:///{folder}/demo.db", "RATCHET_LOGGING__LEVEL": "ERROR"}
    started = time.perf_counter()
    async with Client(StdioServerParameters(command=str(command), env=env, cwd=folder)) as client:
        demo = Demo(client)
        await what_is_there(demo, started)
        for part in (analyse_sales, read_texts, call_tasks, write_code, meet_failures, write_a_task, outlive_the_call, look_back):
            await part(demo)
    heading("That was Ratchet. The README says how to put it into your client")


def main() -> None:
    """Show everything, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="ratchet-demo-") as folder:
        anyio.run(tour, folder)


if __name__ == "__main__":
    main()
