// The console in a real browser: each role's flow, every page by axe, at 360 px too; any console
// error fails. Usage: node pages.mjs URL SCREENSHOTS
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [url, pictures] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const pages = ["overview", "sessions", "books", "risk", "audit", "journal", "host", "hardware"];

/** Those that the handbook shows. */
const shown = ["overview", "risk", "audit"];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

async function open(width) {
  // The page's policy lets no script in; axe is put in past it, as a tester's tool may be.
  const context = await browser.newContext({ bypassCSP: false, viewport: { width, height: 900 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.errors = [];
  page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(url).host) page.errors.push(`asks ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

async function logIn(page, name) {
  await page.locator("#login-name").fill(name);
  await page.locator("#login-password").fill(`${name}-secret`);
  await page.keyboard.press("Enter");
  await page.getByText(`${name} (`).waitFor();
  await page.locator("#state", { hasText: "running" }).waitFor();
}

async function go(page, name) {
  await page.evaluate((hash) => { location.hash = hash; }, `#${name}`);
  await page.locator(`[data-page="${name}"]`).waitFor();
  await page.waitForTimeout(450);
}

async function inspect(page, name) {
  await page.evaluate(await (await import("node:fs/promises")).readFile(axe, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());
  const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  assert.deepEqual(serious.map((one) => [one.id, one.nodes.map((node) => node.html)]), [], name);
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(width <= 0, `${name} is ${width} px too wide`);
}

/** Posts as this page's user, with its cookie and token; past the page, whose console stays clean. */
async function post(page, path, data) {
  const { request } = page.context();
  const { token } = await (await request.get(`${url}/api/me`)).json();
  assert.ok(token);
  const answer = await request.post(url + path, { headers: { "x-token": token }, data });
  return answer.status();
}

async function done(page, name) {
  assert.deepEqual(page.errors, [], `${name}: errors`);
  await page.context().close();
  console.log(`${name}: good`);
}

const everything = (reason) => ({ whom: { scope: "everything" }, reason, word: "KILL" });
const resume = (reason) => ({ reason, ask: { ask: "resume", whom: { scope: "everything" } } });

// A viewer sees everything, on a narrow screen too, and can stop nothing.
for (const width of [1280, 360]) {
  const page = await open(width);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await inspect(page, `the login at ${width}`);
  await logIn(page, "vera");
  assert.equal(await page.locator("#kill-open").isVisible(), false);
  for (const name of pages) {
    await go(page, name);
    await inspect(page, `${name} at ${width}`);
    if (width > 360 && shown.includes(name)) await page.screenshot({ path: `${pictures}/console-${name}.png` });
    assert.equal(await page.locator(`[data-page="${name}"] form[data-role]:visible`).count(), 0);
  }
  await go(page, "overview");
  assert.ok(await page.locator("#latencies tbody tr").count() >= 4);
  await go(page, "books");
  await page.locator("#ladder tbody tr").first().waitFor();
  await page.locator("#trades tbody tr").first().waitFor();
  await go(page, "risk");
  const full = page.locator("#limits-table tbody tr", { hasText: "account" }).first();
  await full.locator("meter").waitFor();
  assert.match(await full.textContent(), /[0-9.]+ of [0-9.]+/, "what is used, of how much");
  await page.locator("#limits-account").fill("9");
  await page.locator("#limits-table tbody tr").first().locator("td", { hasText: /^account 9$/ }).waitFor();
  assert.equal(await post(page, "/api/kill", everything("no")), 403, "a viewer stops nothing");
  assert.equal(await post(page, "/api/ask", resume("no")), 403, "and lets nothing go on");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await done(page, `viewer at ${width}`);
}

// Somebody from risk sees more, and that is good on both screens as well.
for (const width of [1280, 360]) {
  const page = await open(width);
  await logIn(page, "rita");
  for (const name of pages) {
    await go(page, name);
    await inspect(page, `${name} for risk at ${width}`);
  }
  assert.ok(await page.locator("form[data-role]").count() > 0);
  await done(page, `risk's pages at ${width}`);
}

// Somebody from risk searches and verifies the record, sets a limit, stops one account by keyboard
// alone and lets it go on.
{
  const page = await open(1280);
  await logIn(page, "rita");
  await go(page, "audit");
  await page.locator("#audit-query").fill("ACME");
  await page.keyboard.press("Enter");
  await page.locator("#audit-table tbody tr").first().waitFor();
  await page.getByRole("button", { name: "Verify every seal" }).click();
  await page.locator("#audit-answer", { hasText: "holds" }).waitFor();
  await go(page, "risk");
  await page.locator("#positions tbody tr").first().waitFor();
  const ends = await page.evaluate(() => [...document.querySelectorAll("table:has(thead)")].flatMap((table) => {
    const [first] = table.tBodies[0]?.rows ?? [];
    return [...first?.cells ?? []].map((cell, at) =>
      getComputedStyle(cell).textAlign === getComputedStyle(table.tHead.rows[0].cells[at]).textAlign);
  }));
  assert.ok(ends.length > 0 && ends.every(Boolean), "a head stands where its column does");
  await page.locator("#limit-scope").selectOption("account");
  await page.locator("#limit-id").fill("7");
  await page.locator("#limit-name").fill("exposure");
  await page.locator("#limit-value").fill("1000");
  await page.locator("#limit-reason").fill("a drill");
  await page.getByRole("button", { name: "Set" }).click();
  await page.locator("#settings tbody tr", { hasText: "account 7" }).first().waitFor();
  // What was set is in force at once, and shown as such.
  await page.locator("#limits-account").fill("7");
  await page.locator("#limits-table tbody tr", { hasText: "account 7" }).filter({ hasText: "of 1000.00" }).waitFor();
  await page.locator("#kill-open").focus();
  await page.keyboard.press("Enter");
  await page.locator("#kill-scope").selectOption("account");
  await page.locator("#kill-id").fill("9");
  await page.locator("#kill-state").selectOption("reduce-only");
  await page.locator("#kill-reason").fill("a drill");
  await page.locator("#kill-word").fill("kill");
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#kill").isVisible(), "the wrong word stops nothing");
  await inspect(page, "the dialog");
  await page.locator("#kill-word").fill("KILL");
  // The browser's word about the wrong one goes when the field is left.
  await page.locator("#kill-reason").focus();
  await page.screenshot({ path: `${pictures}/console-kill.png` });
  await page.locator("#kill-word").focus();
  await page.keyboard.press("Enter");
  await page.locator("#settings tbody tr", { hasText: "account 9" }).filter({ hasText: "rita" })
    .filter({ hasText: /reduce/ }).first().waitFor();
  await page.locator("#resume-scope").selectOption("account");
  await page.locator("#resume-id").fill("9");
  await page.locator("#resume-reason").fill("the drill is over");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.locator("#settings tbody tr", { hasText: "the drill is over" }).first().waitFor();
  await done(page, "risk");
}

// An operator stops everything; who is refused is told so.
{
  const page = await open(1280);
  await logIn(page, "otto");
  await go(page, "risk");
  assert.equal(await page.locator("form[data-role]:visible").count(), 0);
  assert.equal(await post(page, "/api/ask", resume("no")), 403, "an operator lets nothing go on");
  await page.getByRole("button", { name: "Stop trading…" }).click();
  await page.locator("#kill-reason").fill("the end");
  await page.locator("#kill-word").fill("KILL");
  await page.getByRole("button", { name: "Stop trading", exact: true }).click();
  await page.locator("#settings tbody tr", { hasText: "everything" }).filter({ hasText: "otto" }).first().waitFor();
  await page.locator("#kill-open").click();
  await page.locator("#kill-reason").fill("once more");
  await page.locator("#kill-word").fill("KILL");
  await page.route("**/api/kill", (route) => route.fulfill({
    contentType: "application/json", body: JSON.stringify({ ok: false, message: "the role viewer may not" }),
  }));
  await page.getByRole("button", { name: "Stop trading", exact: true }).click();
  await page.locator("#kill-error", { hasText: "may not" }).waitFor();
  assert.ok(await page.locator("#kill").isVisible(), "who is refused is told so");
  await done(page, "operator");
}

await browser.close();
