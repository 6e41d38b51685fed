// The console: one WebSocket brings figures five times a second; tables are made anew from them.
"use strict";

const $ = (id) => document.getElementById(id);
const roles = ["viewer", "operator", "risk"];
const scopes = ["everything", "venue", "firm", "instrument", "account", "session"];
const state = { me: {}, socket: null, figures: null };

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json", "x-token": state.me.token ?? "" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  return response.json();
}

function fill(id, heads, rows) {
  const table = $(id);
  const head = document.createElement("thead");
  const line = head.insertRow();
  for (const name of heads) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    line.append(cell);
  }
  const body = document.createElement("tbody");
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) {
      const cell = line.insertCell();
      if (value !== null && typeof value === "object") {
        cell.textContent = value.text;
        cell.className = value.kind ?? "";
        if (value.percent !== undefined) cell.append(gauge(value.percent, value.name));
      } else {
        cell.textContent = value;
        if (typeof value === "number") cell.className = "number";
      }
    }
  }
  // A column of numbers has its head above their ends.
  for (const [at, cell] of [...(body.rows[0]?.cells ?? [])].entries()) {
    if (cell.className === "number") line.cells[at].className = "number";
  }
  table.replaceChildren(head, body);
}

/** How full something is; the words beside it say the same. */
function gauge(percent, name) {
  const meter = document.createElement("meter");
  Object.assign(meter, { max: 100, high: 80, optimum: 0, value: Math.min(percent, 100), ariaLabel: name });
  return meter;
}

function tiles(id, pairs) {
  $(id).replaceChildren(...pairs.map(([name, value]) => {
    const box = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    box.append(term, text);
    return box;
  }));
}

const micros = (nanos) => +(nanos / 1e3).toFixed(1);
const many = (number) => number.toLocaleString("en");
const percent = (share) => `${share.toFixed(1)} %`;

const draw = {
  overview(f) {
    tiles("tiles", [
      ["State", f.state], ["Commands a second", many(f.commands_per_second)], ["Fills a second", many(f.fills_per_second)],
      ["Open orders", many(f.open_orders)], ["Refused", many(f.refused)], ["Replies wait for", f.standby ? f.standby.rule : f.release],
    ]);
    fill("latencies", ["to", "count", "p50", "p99", "p99.9", "max"],
      f.latencies.map((l) => [l.to, l.count, ...[l.p50_ns, l.p99_ns, l.p999_ns, l.max_ns].map(micros)]));
    drawPercentiles(f.latencies);
    drawHistogram(f.latencies);
    fill("components", ["component", "state", "what"],
      f.health.map((h) => [h.component, { text: h.is_good ? "good" : "DOWN", kind: h.is_good ? "good" : "bad" }, h.what]));
    fill("cores", ["stages", "CPU", "busy", "idle", "backpressure", "housekeeping", "allocations"],
      f.cores.map((c) => [c.stages, c.cpu, ...[c.busy, c.idle, c.backpressure, c.housekeeping].map(percent), c.allocations]));
    fill("links", ["link", "lines", "of"], f.links.map((l) => [l.link, l.lines, l.depth]));
  },
  sessions(f) {
    fill("sessions-table", ["session", "speaks", "state", "in", "in/s", "out", "out/s", "last order", "told again", "round trip µs"],
      f.sessions.map((s) => [s.session, s.protocol, s.is_up ? { text: "up", kind: "good" } : "down",
        s.heard, s.heard_per_second, s.told, s.told_per_second, s.last_order, s.told_again,
        s.round_trip_ns ? micros(s.round_trip_ns) : "-"]));
  },
  books(f, message) {
    const choice = $("symbol");
    if (choice.options.length !== f.books.length) {
      choice.replaceChildren(...f.books.map((book) => new Option(book.symbol, book.symbol)));
    }
    const { bids, asks } = message.book ?? { bids: [], asks: [] };
    const rows = Math.max(bids.length, asks.length);
    fill("ladder", ["size", "bid", "offer", "size"], Array.from({ length: rows }, (_, at) => [
      bids[at]?.quantity ?? "", bids[at]?.price ?? "", asks[at]?.price ?? "", asks[at]?.quantity ?? ""]));
    fill("trades", ["time", "symbol", "price", "quantity", "match"],
      message.trades.slice(0, 30).map((t) => [t.time, t.symbol, t.price, t.quantity, t.match]));
  },
  risk(f, message) {
    const filled = ["buying-power", "exposure", "net-exposure", "message-burst"];
    fill("limits-table", ["whom", "fullest", "buying power", "exposure", "net exposure", "messages at once", "each"],
      (message.limits ?? []).map((row) => [
        row.whom,
        { text: `${percent(row.percent)} `, kind: row.percent >= 100 ? "bad" : "", percent: row.percent, name: `fullest limit of ${row.whom}` },
        ...filled.map((limit) => {
          const one = row.used.find((used) => used.limit === limit);
          return { text: one ? `${one.used} of ${one.most}` : "no limit", kind: "number" };
        }),
        row.each.map((one) => `${one.limit} ${one.most}`).join(", "),
      ]));
    fill("refusals", ["reason", "orders"], f.refusals);
  },
  audit() {},
  journal(f) {
    tiles("standby", f.standby
      ? [["Standby", f.standby.is_paired ? "there" : "none: alone"], ["Replies wait for", f.standby.rule]]
      : [["Standby", "not configured"], ["Replies wait for", f.release]]);
    fill("journal-table", ["log", "on record", "on disk", "state", "what"], f.journal.map((j) => [
      j.log, j.appended, j.synced, j.is_good ? { text: "good", kind: "good" } : { text: "BAD", kind: "bad" }, j.complaint]));
    fill("feed", ["what", "count"], f.feed);
    $("log").replaceChildren(...f.log.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  },
  host() {},
  hardware(f) {
    drawHardware(f);
  },
};

function page() {
  const name = location.hash.slice(1);
  return Object.hasOwn(draw, name) ? name : "overview";
}

function show() {
  const name = page();
  const isIn = Boolean(state.me.role);
  $("nav").hidden = !isIn;
  $("login").hidden = isIn;
  for (const section of document.querySelectorAll("[data-page]")) {
    section.hidden = !isIn || section.dataset.page !== name;
  }
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", false);
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
  }
  if (!isIn) return;
  limits();
  if (name === "risk") { settings(); positions(); }
  if (name === "host") host();
  if (name === "hardware") hardware();
  if (state.message) draw[name](state.message.figures, state.message);
}

/** Asks for limits as they come, and for an account's among them. */
function limits() {
  if (state.socket?.readyState !== WebSocket.OPEN) return;
  state.socket.send(JSON.stringify({ limits: page() === "risk" ? Number($("limits-account").value) || 0 : null }));
}

async function settings() {
  const { settings } = await call("/api/settings");
  fill("settings", ["whom", "what", "value", "who", "why", "when"],
    settings.map((s) => [s.whom, s.what, s.value, s.second ? `${s.actor} and ${s.second}` : s.actor, s.reason, s.at]));
}

async function positions() {
  const { holdings = [] } = await call("/api/positions");
  const number = (text) => ({ text, kind: "number" });
  fill("positions", ["account", "instrument", "quantity", "average", "last price", "realised", "unrealised"],
    holdings.map((h) => [h.account, h.symbol, ...[h.quantity, h.average, h.last_price, h.realised, h.unrealised].map(number)]));
}

async function host() {
  const { checks } = await call("/api/host");
  fill("host-table", ["check", "verdict", "found", "wanted", "to mend"],
    checks.map((c) => [c.check, { text: c.verdict, kind: c.verdict === "fail" ? "bad" : "" }, c.found, c.wanted, c.cure]));
}

/** By shard: the symbols that hardware matches. */
let shards = [];

function drawHardware(f) {
  fill("hardware-table", ["shard", "instruments in hardware", "matched by", "answered", "events compared", "differences", "waiting", "why"],
    shards.map((symbols, at) => {
      const live = f.hardware.find((one) => one.shard === at + 1);
      if (!live) return [at + 1, "none", "software", "", "", "", "", ""];
      const by = live.relieved ? { text: "software, in its place", kind: "bad" } : { text: "hardware, in lockstep with software", kind: "good" };
      const differences = live.differences ? { text: many(live.differences), kind: "bad" } : 0;
      return [at + 1, symbols.join(" "), by, many(live.answered), many(live.compared), differences, live.waiting,
        live.relieved ? `since command ${live.relieved_at}: ${live.relieved}` : ""];
    }));
  fill("cycles-table", ["shard", "class", "commands", "fewest cycles", "most"],
    f.hardware.flatMap((h) => h.classes.map((c) => [h.shard, c.class, many(c.commands), c.cycles_least, c.cycles_most])));
}

async function hardware() {
  shards = (await call("/api/hardware")).shards;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws`);
  state.socket = socket;
  socket.onopen = limits;
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (!message.figures) return;
    state.message = message;
    const bad = message.figures.health.filter((one) => !one.is_good && one.is_vital).map((one) => one.component);
    const text = bad.length ? `${message.figures.state}; DOWN: ${bad.join(", ")}` : message.figures.state;
    if ($("state").textContent !== text) $("state").textContent = text;
    draw[page()](message.figures, message);
  };
  socket.onclose = () => {
    $("state").textContent = "no connection";
    if (state.me.role) setTimeout(start, 1000);
  };
}

async function start() {
  state.me = await call("/api/me").catch(() => ({}));
  const { me } = state;
  $("who").textContent = me.role ? `${me.name} (${me.role})` : "";
  $("leave").hidden = !(me.role && me.needs_login);
  $("kill-open").hidden = !(roles.indexOf(me.role) >= 1);
  for (const form of document.querySelectorAll("[data-role]")) {
    form.hidden = !(roles.indexOf(me.role) >= roles.indexOf(form.dataset.role));
  }
  if (!me.role) $("state").textContent = me.needs_login ? "log in to look" : "no connection";
  if (me.role) connect();
  if (!me.role && !me.needs_login) setTimeout(start, 1000);
  show();
}

function whom(prefix) {
  const scope = $(`${prefix}-scope`).value;
  const text = $(`${prefix}-id`).value.trim();
  return scope === "instrument" ? { scope, symbol: text } : { scope, id: Number(text) || 0 };
}

async function wish(event, ask, reason) {
  event.preventDefault();
  const answer = await call("/api/ask", { reason, ask });
  $("risk-answer").textContent = answer.ok ? answer.message || "done, and on record" : answer.message;
  setTimeout(settings, 300);
}

for (const prefix of ["kill", "resume", "limit"]) {
  $(`${prefix}-scope`).replaceChildren(...scopes.map((scope) => new Option(scope, scope)));
}
$("resume-form").onsubmit = (event) => wish(event, { ask: "resume", whom: whom("resume") }, $("resume-reason").value);
$("limit-form").onsubmit = (event) => wish(event,
  { ask: "set", whom: whom("limit"), limit: $("limit-name").value, value: $("limit-value").value }, $("limit-reason").value);
$("symbol").onchange = () => state.socket?.send(JSON.stringify({ watch: $("symbol").value }));
$("limits-account").oninput = limits;
$("host-check").onclick = host;
$("kill-open").onclick = () => $("kill").showModal();
$("kill-close").onclick = () => $("kill").close();
$("kill-form").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await call("/api/kill", {
    whom: whom("kill"), reduce_only: $("kill-state").value === "reduce-only", reason: $("kill-reason").value, word: $("kill-word").value,
  });
  $("kill-error").textContent = answer.ok ? "" : answer.message;
  if (!answer.ok) return;
  $("kill").close();
  $("kill-form").reset();
  location.hash = "#risk";
  $("risk-answer").textContent = "trading was stopped; it is on record";
  setTimeout(settings, 300);
};
$("audit-form").onsubmit = async (event) => {
  event.preventDefault();
  const { entries, complaint } = await call(`/api/audit?query=${encodeURIComponent($("audit-query").value)}`);
  $("audit-answer").textContent = complaint ?? `${entries.length} records`;
  fill("audit-table", ["time", "what", "order", "client's name", "account", "symbol", "side", "price", "quantity", "who", "why"],
    entries.map((e) => [e.time, e.what, e.order, e.client_order, e.account, e.symbol, e.side, e.price, e.quantity, e.actor, e.reason]));
};
$("verify").onclick = async () => {
  $("audit-answer").textContent = "reading every record";
  const found = await call("/api/audit/verify");
  $("audit-answer").textContent = found.ok ? `every seal of ${found.records} records holds` : `NOT as written: ${found.what}`;
};
$("login-form").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await call("/api/login", { name: $("login-name").value, password: $("login-password").value });
  $("login-error").textContent = answer.ok ? "" : answer.message;
  $("login-password").value = "";
  if (answer.ok) start();
};
$("leave").onclick = async () => {
  await call("/api/logout", {});
  state.me = {};
  state.socket?.close();
  start();
};
addEventListener("hashchange", show);
start();
