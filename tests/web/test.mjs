// SPDX-License-Identifier: Apache-2.0
// Opens every page in light, dark, at phone width and without JavaScript.
// Environment: KWHY_URL, FAULT (the JSON lines of tests/faults), SCREENSHOTS, PROFILE; LOOKS=light,phone for these alone;
// PLAIN: the program was built without the libraries for charts, which is all that is looked at.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const url = process.env.KWHY_URL;
const shots = process.env.SCREENSHOTS;
const truth = readFileSync(process.env.FAULT, "utf8").trim().split("\n").map((line) => JSON.parse(line))
	.find((line) => line.event === "setup");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const UI_BYTES_MAX = 250 * 1024; // scripts, styles, pictures: what a browser keeps of the user interface
const PAGE_BYTES_MAX = 512 * 1024; // with one page's contents; a report on a busy host is long
const looks = [
	{ name: "light", access: true, options: { colorScheme: "light", viewport: { width: 1280, height: 900 } } },
	{ name: "dark", access: true, options: { colorScheme: "dark", viewport: { width: 1280, height: 900 } } },
	{ name: "phone", options: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true } },
	{ name: "phone-dark", options: { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 } },
	{ name: "noscript", options: { javaScriptEnabled: false, viewport: { width: 1280, height: 900 } } },
].filter((look) => !process.env.LOOKS || process.env.LOOKS.split(",").includes(look.name));
const BUNDLE_MS = 120000; // its window is diagnosed anew, which takes a starved host its time
let failures = 0;

async function check(name, body, again = true) {
	try {
		await body();
		console.log(`ok ${name}`);
	} catch (error) {
		// A starved host lets a step run out of time without any fault of the page: one more try, and it is said.
		if (again && error.name === "TimeoutError") {
			console.log(`# ${name} ran out of time: ${error.message.split("\n")[0]}`);
			return check(name, body, false);
		}
		failures++;
		console.log(`not ok ${name} - ${String(error.message || error).replaceAll("\n", " | ").slice(0, 600)}`);
	}
}

function expect(condition, text) {
	if (!condition)
		throw new Error(text);
}

// The report of the fault: its cause, its victim.
async function findReport() {
	const until = Date.now() + 20000;
	let items = [];
	while (Date.now() < until) {
		const response = await fetch(`${url}api/v1/incidents?limit=100&cause=${truth.cause}`);
		items = (await response.json()).items;
		const found = items.find((r) => r.cause === truth.cause &&
			r.victims.some((v) => v.container?.cgroup === truth.victim || v.container?.name === truth.victim));
		if (found)
			return found;
		await new Promise((resolve) => setTimeout(resolve, 500));
	}
	throw new Error(`no report of ${truth.cause} for ${truth.victim}; there are: ` +
		items.map((r) => r.headline).join(" / "));
}

// What a page must not do: complain on the console, break its policy, ask anybody else.
function watch(page, complaints) {
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type()))
			complaints.push(`console ${message.type()}: ${message.text()}`);
	});
	page.on("pageerror", (error) => complaints.push(`script error: ${error.message}`));
	page.on("requestfailed", (request) => {
		// A navigation cuts off what the former page still asked for.
		const why = request.failure()?.errorText || "";
		if (why !== "net::ERR_ABORTED")
			complaints.push(`failed: ${request.url()} ${why}`);
	});
	page.on("request", (request) => {
		if (!request.url().startsWith(url) && !request.url().startsWith("data:"))
			complaints.push(`request to ${request.url()}`);
	});
	page.on("response", (response) => {
		if (response.status() >= 400)
			complaints.push(`${response.status()} for ${response.url()}`);
	});
}

// Nothing serious by the rules of axe, with everything that folds unfolded.
async function checkAccess(page) {
	const folded = await page.evaluateHandle(() => Array.from(document.querySelectorAll("details:not([open])")));
	await folded.evaluate((list) => list.forEach((details) => { details.open = true; }));
	await page.evaluate(axe);
	const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
	await folded.evaluate((list) => list.forEach((details) => { details.open = false; }));
	const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
	expect(serious.length === 0, `axe: ${serious.map((v) => `${v.id} at ${v.nodes[0].target.join(" ")}`).join("; ")}`);
}

// Bytes of all that a page is made of.
function weigh(page, weight) {
	page.on("response", async (response) => {
		if (response.headers()["content-type"]?.startsWith("text/event-stream"))
			return;
		const bytes = (await response.body().catch(() => "")).length;
		weight.bytes += bytes;
		if (["script", "stylesheet", "image", "font"].includes(response.request().resourceType()))
			weight.assets += bytes;
	});
}

async function overflow(page) {
	const box = await page.locator("html").evaluate((html) => [html.scrollWidth, html.clientWidth]);
	return box[0] > box[1] ? `the page is ${box[0]} wide in a window of ${box[1]}` : "";
}

async function visit(context, look, place) {
	const complaints = [];
	const page = await context.newPage();
	const weight = { bytes: 0, assets: 0 };
	watch(page, complaints);
	weigh(page, weight);
	const response = await page.goto(url + place.path, { waitUntil: "load" });
	expect(response.status() === 200, `status ${response.status()}`);
	if (place.ready && look.options.javaScriptEnabled !== false)
		await page.locator(place.ready).first().waitFor();
	expect(await page.locator("h1").count() === 1, "there must be one h1");
	expect(await page.locator("main").count() === 1 && await page.locator("nav").count() === 1, "landmarks are missing");
	for (const text of place.texts)
		expect((await page.locator("main").innerText()).includes(text), `"${text}" is not on the page`);
	if (look.options.javaScriptEnabled !== false) {
		const wide = await overflow(page);
		expect(!wide, wide);
		expect(weight.assets < UI_BYTES_MAX, `what the page needs has ${weight.assets} bytes`);
		expect(weight.bytes < PAGE_BYTES_MAX, `the page and what it needs have ${weight.bytes} bytes`);
		if (look.access)
			await checkAccess(page);
		if (place.act)
			await place.act(page);
	}
	await page.screenshot({ path: `${shots}/${place.name}-${look.name}.png`, fullPage: true });
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

// Every text against what is behind it: WCAG AA, 4.5 to 1, or 3 to 1 when large.
function contrastProblems() {
	const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
	const luminance = ([r, g, b]) => {
		const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * x + 0.7152 * y + 0.0722 * z;
	};
	const background = (element) => {
		for (let e = element; e; e = e.parentElement) {
			const color = parse(getComputedStyle(e).backgroundColor);
			if (color.length === 3 || color[3] === 1)
				return color;
		}
		return [255, 255, 255];
	};
	const problems = new Set();
	for (const element of document.querySelectorAll("body *")) {
		const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || element.closest("svg") || !element.checkVisibility())
			continue;
		const style = getComputedStyle(element);
		const [a, b] = [luminance(parse(style.color)), luminance(background(element))].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < (large ? 3 : 4.5))
			problems.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
	}
	return Array.from(problems);
}

async function checkContrast(page) {
	const problems = await page.evaluate(contrastProblems);
	expect(problems.length === 0, `contrast: ${problems.join(", ")}`);
}

async function readReport(page) {
	await checkContrast(page);
	const details = page.locator("details.evidence").first();
	await details.locator("summary").focus();
	// A page that renewed itself while axe had everything unfolded left it so.
	if (await details.getAttribute("open") !== null)
		await page.keyboard.press("Enter");
	expect(await details.getAttribute("open") === null, "evidence does not close by keyboard");
	await page.keyboard.press("Enter");
	expect(await details.getAttribute("open") !== null, "evidence does not open by keyboard");
	const link = details.getByText("Run this query");
	await link.focus();
	const [response] = await Promise.all([page.waitForResponse(/\/query\?/), page.keyboard.press("Enter")]);
	await page.waitForURL(/\/query\?/);
	expect(response.status() === 200, `the query of the evidence answers ${response.status()}`);
	expect(await page.locator("main table tbody tr").count() > 0, "the query of the evidence gives no row");
	expect(await page.locator("main .warn").count() === 0, "the query of the evidence fails");
	await page.goBack();
	const party = page.locator("main table th a").first();
	expect((await page.request.get(new URL(await party.getAttribute("href"), url).href)).status() === 200, "a party's link leads nowhere");
	await page.locator("#zone").click();
	expect((await page.locator("#zone").innerText()) === "Local time", "times do not switch to local");
	await page.locator("#zone").click();
}

// Facets narrow the list to what they count and can be taken back; j, k and Enter suffice to open a report.
async function narrowDown(page) {
	await checkContrast(page);
	const group = report.cause.split(".")[0];
	const facet = page.locator(".facets a", { hasText: new RegExp(`^${group} \\d+$`) });
	const count = Number(await facet.locator("b").innerText());
	await facet.focus();
	await Promise.all([page.waitForURL(new RegExp(`cause=${group}`)), page.keyboard.press("Enter")]);
	const shown = await page.locator(".incident").count();
	expect(shown >= Math.min(count, 50), `the facet counts ${count}, the list has ${shown}`);
	expect(await page.locator(".facets a[aria-current]").count() === 1, "the facet is not marked");
	await page.locator("main").focus();
	await page.keyboard.press("j");
	expect(await page.locator(".incidents h3 a").first().evaluate((e) => e === document.activeElement), "j does not go to the first");
	await page.keyboard.press("j");
	await page.keyboard.press("k");
	expect(await page.locator(".incidents h3 a").first().evaluate((e) => e === document.activeElement), "k does not go back");
	await Promise.all([page.waitForURL(/incidents\/[0-9A-Z]{26}/), page.keyboard.press("Enter")]);
	await page.goBack();
}

// A box is a link to itself as the whole, by keyboard too; what it holds stays the same.
async function zoomIn(page) {
	await checkContrast(page);
	const box = page.locator(".flamegraph a").nth(1);
	const label = await box.getAttribute("aria-label");
	await box.focus();
	await Promise.all([page.waitForURL(/zoom=[0-9a-f]{16}/), page.keyboard.press("Enter")]);
	const first = await page.locator(".flamegraph a").first().getAttribute("aria-label");
	expect(first.split(": ")[0] === label.split(": ")[0] && first.includes("100 %"), `"${label}" became "${first}"`);
	expect(await page.locator(".crumbs li").count() === 2, "the way back is missing");
	const folded = await page.request.get(`${url}stacks?format=folded&from=-1min&to=now`);
	expect(/^\S.* \d+$/m.test(await folded.text()), "no folded stacks");
}

async function followLinks(context) {
	const complaints = [];
	const page = await context.newPage();
	watch(page, complaints);
	await page.goto(url);
	for (const name of ["Incidents", "Observe", "Events", "Containers", "Stacks", "Alerts", "Rules", "Query", "Bundles", "Agent", "Overview"]) {
		await page.getByRole("navigation").getByRole("link", { name }).click();
		await page.locator("nav a[aria-current=page]", { hasText: name }).waitFor();
	}
	await page.keyboard.press("Tab");
	expect(await page.locator(".skip").evaluate((e) => e === document.activeElement), "the skip link is not first");
	await page.goto(`${url}events?since=-5min`);
	expect(/since=\d{4}-\d{2}-\d{2}T/.test(decodeURIComponent(page.url())), `not absolute: ${page.url()}`);
	await page.goto(`${url}incidents?cause=%3Cscript%3Ealert(1)%3C/script%3E`);
	expect(await page.locator("input[name=cause]").inputValue() === "<script>alert(1)</script>", "the filter is not kept");
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

// The overview replaces its content by itself.
async function refreshes(context) {
	const page = await context.newPage();
	await page.goto(url);
	await page.locator("main").evaluate((main) => main.firstElementChild.classList.add("stale"));
	await page.waitForFunction(() => !document.querySelector(".stale"), undefined, { timeout: 60000 });
	await page.close();
}

// Somebody takes note of the incident, by keyboard alone, with a name and words that are hostile.
async function acknowledge(context) {
	const complaints = [], page = await context.newPage();
	watch(page, complaints);
	await page.goto(`${url}incidents/${report.id}`);
	await page.locator("#handle > summary").focus();
	await page.keyboard.press("Enter");
	await page.locator("#handle input[name=author]").focus();
	await page.keyboard.type("Ann <b>");
	await page.keyboard.press("Tab");
	await page.keyboard.type("<img src=x onerror=alert(1)>");
	await page.locator("#handle button[value=acknowledged]").focus();
	await Promise.all([page.waitForURL(/#handling$/), page.keyboard.press("Enter")]);
	expect((await page.locator("#handling").innerText()).includes("Ann <b> acknowledged it: <img src=x onerror=alert(1)>"),
		"who took note, and why, is not on the page");
	await page.goto(`${url}incidents?handling=acknowledged`); // on a busy host it is not on the first page of all
	expect(await page.locator(".incident .badge", { hasText: "acknowledged by Ann <b>" }).count() === 1, "the list does not say it");
	await page.goto(`${url}incidents/${report.id}`);
	expect(await page.locator("#handle input[name=author]").inputValue() === "Ann <b>", "who one is must not be said twice");
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

async function silence(context) {
	const complaints = [], page = await context.newPage();
	watch(page, complaints);
	await page.goto(`${url}alerts`);
	await page.locator("#silence > summary").focus();
	await page.keyboard.press("Enter");
	if (charts) {
		const said = page.locator(".matched");
		await page.locator("textarea[name=matchers]").fill("container=~(");
		await said.getByText("container=~( is no matcher").waitFor();
		await page.locator("textarea[name=matchers]").fill("container=~.*");
		await said.getByText(/hold back ([1-9]\d*:|none of the 0)/).waitFor();
	}
	await page.locator("textarea[name=matchers]").fill("container=nobody\ncause=~cpu.*");
	if (charts)
		await page.locator(".matched").getByText(/hold back none of the \d+ alerts/).waitFor();
	await page.locator("#silence input[name=comment]").fill("<i>tests</i>");
	await page.locator("#silence input[name=author]").fill("Ann");
	await page.locator("#silence button").focus();
	await Promise.all([page.waitForResponse((r) => r.request().method() === "POST"), page.keyboard.press("Enter")]);
	const row = page.locator("tr", { hasText: "container=nobody" });
	await row.waitFor();
	expect((await row.innerText()).includes("<i>tests</i>"), "the comment is not shown as it was written");
	await row.locator("button").focus();
	await Promise.all([page.waitForResponse((r) => r.request().method() === "POST"), page.keyboard.press("Enter")]);
	await page.waitForLoadState();
	expect(await page.locator("tr", { hasText: "container=nobody" }).count() === 0, "the silence did not end");
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

// Another site's page must not make a browser change anything, nor may a mistake be swallowed.
async function refusals() {
	const post = (path, headers, body) => fetch(url + path, { method: "POST", redirect: "manual", headers, body });
	const form = { "Content-Type": "application/x-www-form-urlencoded" };
	const silences = async () => (await (await fetch(`${url}api/v1/silences`)).json()).items.length;
	const before = await silences();
	const mark = `incidents/${report.id}`, body = "what=muted&author=x&comment=y";
	expect((await post(mark, { ...form, Origin: "http://evil.example" }, body)).status === 403, "another site's form is taken");
	expect((await post(mark, { ...form, "Sec-Fetch-Site": "cross-site" }, body)).status === 403, "a cross-site form is taken");
	expect((await post(mark, form, "what=muted&author=x")).status === 422, "a mute without a reason is taken");
	expect((await post(mark, { "Content-Type": "text/plain" }, body)).status === 415, "text is taken for a form");
	expect((await post(`api/v1/${mark}/marks`, form, body)).status === 415, "the API takes a form");
	expect((await post("incidents/01ARZ3NDEKTSV4RRFFQ69G5FAV", form, "what=acknowledged&author=x")).status === 404, "an unknown incident is marked");
	expect(await silences() === before, "something was silenced all the same");
}

// Where the cursor and the chosen part stand in each chart, in hundredths of its width.
function marks(selector) {
	return Array.from(document.querySelectorAll("#observed .u-over"), (over) => {
		const box = over.getBoundingClientRect(), mark = over.querySelector(selector).getBoundingClientRect();
		return [mark.left, mark.right].map((x) => Math.round((x - box.left) / box.width * 100));
	});
}

const same = (list) => list.every((x) => Math.abs(x[0] - list[0][0]) <= 1 && Math.abs(x[1] - list[0][1]) <= 1);

// Charts have one cursor and one chosen part, by pointer and by keyboard; what changed there is said at once.
async function observe(page) {
	await checkContrast(page);
	const charts = page.locator("#observed .chart"), count = await charts.count();
	expect(count > 3 && await charts.locator("canvas").count() === count, "not every chart is drawn on a canvas");
	await charts.nth(1).scrollIntoViewIfNeeded();
	const box = await charts.nth(1).locator(".u-over").boundingBox(), y = box.y + box.height / 2;
	await page.mouse.move(box.x + box.width * 0.5, y);
	await page.waitForFunction((n) => {
		const moments = Array.from(document.querySelectorAll("#observed .range time"), (time) => time.dateTime);
		return moments.length === n && new Set(moments).size === 1;
	}, count);
	const step = 100 / (1 + Number(await charts.nth(1).locator(".plot").getAttribute("aria-valuemax"))); // parts are of whole steps
	const near = (x, y) => Math.abs(x - y) <= step + 1;
	const lines = await page.evaluate(marks, ".u-cursor-x");
	expect(same(lines) && near(lines[0][0], 50), `cursors at ${lines}`);

	await page.mouse.down();
	await page.mouse.move(box.x + box.width * 0.7, y, { steps: 8 });
	await page.mouse.up();
	await page.locator("#changed").waitFor();
	const parts = await page.evaluate(marks, ".u-select");
	expect(same(parts) && near(parts[0][0], 50) && near(parts[0][1], 70), `the part drawn is ${parts}, a step is ${step}`);
	const asked = new URL(page.url()).searchParams, took = Date.parse(asked.get("to")) - Date.parse(asked.get("from"));
	const whole = Date.parse(asked.get("until")) - Date.parse(asked.get("since"));
	expect(Math.abs(took / whole * 100 - 20) <= 2 * step + 1, `a fifth was dragged over, the address has ${took} of ${whole} ms`);
	expect(await page.locator("input[name=from]").inputValue() === asked.get("from"), "the part is not in the form");
	await page.locator("#changed button").click();
	await page.waitForFunction(() => !document.querySelector("#changed") && !location.search.includes("from="));

	const plot = charts.first().locator(".plot");
	await plot.focus();
	await page.keyboard.press("ArrowLeft");
	expect(/ at \d\d:\d\d:\d\d$/.test(await plot.getAttribute("aria-valuetext")), "the cursor is not said");
	await page.keyboard.down("Shift");
	await page.keyboard.press("ArrowLeft");
	await page.keyboard.press("ArrowLeft");
	await page.keyboard.up("Shift");
	await page.locator("#changed").waitFor();
	expect(same(await page.evaluate(marks, ".u-select")), "the part is not drawn in all charts");
	await page.keyboard.press("Enter");
	expect(await page.locator("#changed a").first().evaluate((e) => e === document.activeElement), "Enter does not go to what changed");
	const why = await page.locator("#changed a").first().getAttribute("href");
	expect((await page.request.get(new URL(why, url).href, { headers: { Accept: "text/html" } })).status() === 200, `no diagnosis at ${why}`);
}

// New values come into the charts that are there.
async function grows(context) {
	const complaints = [], page = await context.newPage();
	watch(page, complaints);
	await page.goto(`${url}observe`);
	await page.locator("#observed canvas").first().evaluate((canvas) => canvas.classList.add("first"));
	const until = await page.locator(".lead time").nth(1).getAttribute("datetime");
	await page.waitForFunction((was) => document.querySelectorAll(".lead time")[1].dateTime > was, until, { timeout: 60000 });
	expect(await page.locator("#observed canvas.first").count() === 1, "the charts were made anew");
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

// Built without the libraries: drawings with a cursor and a selection by keyboard, and what changed in the part chosen.
async function drawings(context) {
	const complaints = [], page = await context.newPage();
	watch(page, complaints);
	await page.goto(url + observed());
	expect(await page.locator(".uplot").count() === 0, "the libraries are there");
	const chart = page.locator(".chart").first();
	await chart.focus();
	await page.keyboard.press("ArrowLeft");
	expect(/ at \d\d:\d\d:\d\d|no data/.test(await chart.locator(".now").innerText()), "the cursor shows no value");
	await page.keyboard.press("Shift+ArrowLeft");
	await page.keyboard.press("Shift+ArrowLeft");
	const [from, to] = [await page.locator("input[name=from]").inputValue(), await page.locator("input[name=to]").inputValue()];
	expect(Date.parse(to) > Date.parse(from), `the part is from ${from} to ${to}`);
	await page.locator(".selection button").first().focus();
	await Promise.all([page.waitForURL(/from=/), page.keyboard.press("Enter")]);
	await page.locator("#changed").waitFor();
	expect(await page.locator(".chart rect.selected").first().getAttribute("width") !== "0.0", "the part is not drawn");
	await page.screenshot({ path: `${shots}/observe-plain.png` });
	await page.goto(`${url}agent`);
	expect((await page.locator("main").innerText()).includes("built without"), "the agent page does not say what is missing");
	await page.close();
	expect(complaints.length === 0, complaints.join("; "));
}

// Every link of the report that takes it elsewhere leads to it.
async function exports(context) {
	const page = await context.newPage();
	await page.goto(`${url}incidents/${report.id}`);
	const links = await page.locator(".report-foot a").evaluateAll((list) => list.map((a) => a.href));
	for (const kind of ["format=md", "format=html", "format=json", "/api/v1/bundles?incident="]) {
		const link = links.find((href) => href.includes(kind));
		expect(link, `no link with ${kind}, only ${links}`);
		const response = await page.request.get(link, { timeout: BUNDLE_MS });
		const body = (await response.body()).toString("latin1");
		expect(response.status() === 200, `${link} answers ${response.status()}`);
		expect(body.startsWith("SQLite format 3") || body.includes(report.id), `${link} is of something else`);
	}
	await page.emulateMedia({ media: "print" });
	expect(await page.locator("nav").first().isHidden(), "the navigation is printed");
	await page.close();
}

function victim() {
	return report.victims.map((v) => v.container).find((c) => c.cgroup === truth.victim || c.name === truth.victim).ref;
}

// Of the victim, over the time of its incident.
function observed() {
	const query = new URLSearchParams({ container: victim(), since: String(BigInt(report.window.onset_ns) - 20000000000n) });
	return `observe?${query}`;
}

async function diagnosed(context) {
	const page = await context.newPage();
	const until = report.window.end_ns || report.window.to_ns; // up to now it would be minutes in which nothing happened
	const query = new URLSearchParams({ container: victim(), since: report.window.onset_ns, until });
	await page.goto(`${url}observe?${query}&from=${report.window.onset_ns}&to=${until}&do=diagnose`);
	expect(/\/why\?container=/.test(page.url()), `the diagnosis is at ${page.url()}`);
	expect((await page.locator("h1").innerText()).includes(truth.culprit), `the diagnosis says: ${await page.locator("h1").innerText()}`);
	await page.close();
}

// One listener more than there may be is told so; those there are get a tick within a few seconds.
async function listeners() {
	const open = [], stop = new AbortController();
	try {
		for (let i = 0; i < 33; i++)
			open.push(await fetch(`${url}api/v1/stream`, { signal: stop.signal }));
		const refused = open.filter((r) => r.status === 503);
		expect(refused.length >= 1 && open[0].status === 200, `${refused.length} of 33 were refused`);
		const reader = open[0].body.getReader();
		let text = "";
		for (const until = Date.now() + 60000; !/event: tick\ndata: \{/.test(text) && Date.now() < until;)
			text += new TextDecoder().decode((await reader.read()).value);
		expect(/id: \d+\nevent: tick/.test(text), `no tick came, only: ${text.slice(0, 200)}`);
	} finally {
		stop.abort();
	}
}

// Counts that narrow the list down, a bar that is its time, and everything around one of them.
async function readEvents(page) {
	await checkContrast(page);
	const facet = page.locator(".facets a", { hasText: /^runq \d+$/ });
	const count = Number(await facet.locator("b").innerText());
	await facet.focus();
	await Promise.all([page.waitForURL(/kind=runq/), page.keyboard.press("Enter")]);
	const rows = await page.locator("table.events tbody tr").count();
	expect(rows > 0 && (count > 100 || Math.abs(rows - count) <= count), `the facet counts ${count}, the list has ${rows}`);
	const bar = page.locator(".histogram a:not([tabindex])").first(); // of the last one more may come
	const label = await bar.getAttribute("aria-label");
	await bar.focus();
	await Promise.all([page.waitForURL(/since=\d+&until=\d+/), page.keyboard.press("Enter")]);
	const shown = await page.locator("table.events tbody tr").count();
	expect(shown === Math.min(Number(label.split(": ")[1]), 100), `the bar says "${label}", the list has ${shown}`);
	const around = page.locator("table.events tbody a", { hasText: "± 5 s" }).first();
	await around.focus();
	await Promise.all([page.waitForURL(/#t\d+$/), page.keyboard.press("Enter")]);
	expect(await page.locator("tr:target").count() === 1, "the event is not marked among those around it");
	await page.goto(`${url}events?limit=20`); // a picture of a thousand rows is more than a browser can draw
}

// From a container to whatever shows it, and something of it is there.
async function elsewhere(page) {
	await checkContrast(page);
	const links = await page.locator(".spans a").evaluateAll((list) => list.map((a) => [a.textContent, a.href]));
	expect(links.length === 5, `it has the links ${links}`);
	for (const [text, href] of links) {
		const response = await page.request.get(href, { headers: { Accept: "text/html" } });
		expect(response.status() === 200, `"${text}" answers ${response.status()} at ${href}`);
		expect(!/No incident matches|No event matches|Nothing (is|was) stored/.test(await response.text()), `nothing of it at ${href}`);
	}
}

// The bundle of the incident, taken by keyboard, is a database of SQLite.
async function download(page) {
	await checkContrast(page);
	const link = page.locator("table a", { hasText: /^names$/ }).first();
	await link.focus();
	const [file] = await Promise.all([page.waitForEvent("download", { timeout: BUNDLE_MS }), page.keyboard.press("Enter")]);
	expect(/^kwhy-\d+\.bundle$/.test(file.suggestedFilename()), `the file is called ${file.suggestedFilename()}`);
	const bytes = readFileSync(await file.path());
	expect(bytes.subarray(0, 15).toString() === "SQLite format 3", "the file is no bundle");
}

async function savedQueries(page) {
	await checkContrast(page);
	const link = page.locator("#saved a", { hasText: "Who made whom wait" });
	await link.focus();
	await Promise.all([page.waitForURL(/saved=who_waited_for_whom/), page.keyboard.press("Enter")]);
	expect(await page.locator("main table tbody tr", { hasText: truth.culprit }).count() > 0, "the saved query does not name the culprit");
	const view = page.locator("#views");
	await view.locator("> summary").focus();
	await page.keyboard.press("Enter");
	expect((await view.innerText()).includes("v_throttle"), "the views are not listed");
	await page.goBack();
}

const report = await findReport().catch((error) => {
	console.log(`not ok report - ${error.message}`);
	process.exit(1);
});
console.log(`# ${report.headline}`);
const charts = (await fetch(`${url}static/uPlot.esm.js`)).status === 200;
const places = [
	{ name: "overview", path: "", texts: ["What matters first", "The last day", "The last minute", "Storage", "Locks, peers"], act: checkContrast },
	{ name: "incidents", path: "incidents", texts: [report.cause, "Severity", "Status"], act: narrowDown },
	{ name: "report", path: `incidents/${report.id}`, act: readReport,
		texts: [truth.victim, truth.culprit, "Evidence", "What to do", "Explanations tested", "Data quality"] },
	{ name: "observe", path: observed(), ready: charts && "#observed .uplot", texts: ["What changed", "CPU pressure", "Waiting for a CPU"],
		act: charts ? observe : checkContrast },
	{ name: "alerts", path: "alerts", texts: ["Silences", "Silence some"], act: checkContrast },
	{ name: "events", path: "events", texts: ["Kind", "a bar", "runq"], act: readEvents },
	{ name: "containers", path: "containers", texts: ["First seen", "Pressure", "Tasks"], act: checkContrast },
	{ name: "stacks", path: "stacks", texts: ["CPU time", "Most time", "Permanent address"], act: zoomIn },
	{ name: "stacks-wait", path: "stacks?of=wait&from=-2min&to=now&base_from=-4min&base_to=-2min", texts: ["compared with"], act: checkContrast },
	{ name: "rules", path: "rules", texts: [report.cause, "Alert rules", "KwhyIncident"], act: checkContrast },
	{ name: "rule", path: `rules/${report.cause}`, texts: [report.cause, "What must hold", "What refutes it", "What to do"], act: checkContrast },
	{ name: "query", path: "query?sql=" + encodeURIComponent("SELECT kind, count(*) AS n FROM v_event GROUP BY kind"), texts: ["kind"], act: checkContrast },
	{ name: "saved", path: "query", texts: ["Saved queries", "Who throttled whom"], act: savedQueries },
	{ name: "bundles", path: "bundles", texts: ["Take a window along", "Open one"], act: download },
	{ name: "container", path: `containers/${victim()}`, texts: [truth.victim, "What is known"], act: elsewhere },
	{ name: "why", path: `why?${new URLSearchParams({ container: victim(), since: report.window.onset_ns, until: report.window.end_ns || report.window.to_ns })}`, texts: ["Evidence"], act: checkContrast },
	{ name: "agent", path: "agent", texts: ["Probes and their books", "runq", "Settings"], act: checkContrast },
];
const browser = await chromium.launchPersistentContext(process.env.PROFILE, { executablePath: "/usr/bin/chromium", args: [
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync",
] }).then((context) => context.browser() ? context : context);
if (process.env.PLAIN) {
	await check("drawings without the libraries", () => drawings(browser));
	await browser.close();
	process.exit(failures ? 1 : 0);
}
for (const look of looks) {
	const context = await browser.browser().newContext(look.options);
	for (const place of places)
		await check(`${place.name} ${look.name}`, () => visit(context, look, place));
	await context.close();
}
await check("links and keyboard", () => followLinks(browser));
await check("overview refreshes", () => refreshes(browser));
if (charts)
	await check("charts grow", () => grows(browser));
else
	console.log("skip charts by uPlot - the program was built without the libraries");
await check("an incident is acknowledged", () => acknowledge(browser));
await check("alerts are silenced", () => silence(browser));
await check("a report is taken elsewhere", () => exports(browser));
await check("what is refused", refusals);
await check("a part is diagnosed", () => diagnosed(browser));
await check("listeners are bounded", listeners);
await browser.close();
process.exit(failures ? 1 : 0);
