// SPDX-License-Identifier: Apache-2.0
// Every page is complete without this script; it refreshes, copies, shows local time and takes keys.
const zoneButton = document.getElementById("zone");
let local = localStorage.getItem("kwhy-zone") === "local";

const pad = (n, width = 2) => String(n).padStart(width, "0");

function localText(date) {
	return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ` +
		`${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.` +
		pad(date.getMilliseconds(), 3);
}

// "10:01:02", in the zone that was chosen.
export function clock(date) {
	return (local ? localText(date) : date.toISOString()).slice(11, 19);
}

// Of a time element, its text.
export function showTime(element) {
	const date = new Date(element.dateTime);
	if (Number.isNaN(date.getTime()))
		return;
	const text = local ? localText(date) : element.dateTime.replace("T", " ").replace("Z", "");
	const shown = element.classList.contains("short") ? text.slice(11, 19) : text;
	if (element.textContent !== shown)
		element.textContent = shown;
	element.title = local ? element.dateTime : "";
}

export const isLocal = () => local;

function showTimes(root) {
	root.querySelectorAll("time[datetime]").forEach(showTime);
	const zone = local ? Intl.DateTimeFormat().resolvedOptions().timeZone || "local" : "UTC";
	zoneButton.textContent = local ? "Local time" : "UTC";
	zoneButton.title = local ? "Show times in UTC" : "Show times of this browser's zone";
	document.getElementById("zone-name").textContent = zone;
}

function addCopyButtons(root) {
	if (!navigator.clipboard)
		return;
	for (const pre of root.querySelectorAll("pre.command, pre.sql")) {
		const button = document.createElement("button");
		button.type = "button";
		button.className = "copy";
		button.textContent = "Copy";
		button.addEventListener("click", async () => {
			await navigator.clipboard.writeText(pre.querySelector("code").textContent);
			button.textContent = "Copied";
			setTimeout(() => { button.textContent = "Copy"; }, 1500);
		});
		pre.classList.add("copyable");
		pre.append(button);
	}
}

// Links to evidence open it.
function openTarget() {
	const target = location.hash.length > 1 &&
		document.getElementById(decodeURIComponent(location.hash.slice(1)));
	if (!(target instanceof HTMLDetailsElement))
		return;
	for (let d = target; d; d = d.parentElement.closest("details"))
		d.open = true;
	target.scrollIntoView();
}

// j and k go along a list of incidents, Enter opens as everywhere, / goes to the filter.  WCAG 2.1.4: single keys
// can be switched off, for those who speak to their computer.
let keys = localStorage.getItem("kwhy-keys") !== "off";

function addKeysHint(root) {
	const list = root.querySelector(".incidents");
	if (!list)
		return;
	const hint = document.createElement("p"), button = document.createElement("button");
	const say = () => {
		hint.firstChild.textContent = keys ? "Keys: j next, k previous, Enter opens, / filters. " :
			"Single keys are off. ";
		button.textContent = keys ? "Switch off" : "Switch on";
	};
	hint.className = "note keys";
	button.type = "button";
	button.addEventListener("click", () => {
		keys = !keys;
		localStorage.setItem("kwhy-keys", keys ? "on" : "off");
		say();
	});
	hint.append(" ", button);
	say();
	list.after(hint);
}

function onKey(event) {
	if (!keys || event.ctrlKey || event.metaKey || event.altKey ||
		event.target.closest("input, textarea, select"))
		return;
	const links = Array.from(document.querySelectorAll(".incidents h3 a"));
	const at = links.indexOf(document.activeElement);
	const target = event.key === "j" ? links[Math.min(at + 1, links.length - 1)] :
		event.key === "k" ? links[Math.max(at - 1, 0)] :
		event.key === "/" ? document.querySelector(".filter input") : null;
	if (!target)
		return;
	event.preventDefault();
	target.focus();
}

// Who somebody is need not be said twice in the same browser.
function rememberAuthor(root) {
	for (const input of root.querySelectorAll("input[name=author]")) {
		input.value ||= localStorage.getItem("kwhy-author") || "";
		input.form.addEventListener("submit", () => localStorage.setItem("kwhy-author", input.value));
	}
}

function enhance(root) {
	for (const button of root.querySelectorAll("button.print"))
		button.parentElement.hidden = false;
	rememberAuthor(root);
	showTimes(root);
	addCopyButtons(root);
	addKeysHint(root);
}

// What somebody reads, opened or selected is not replaced under their eyes.
function busy(main) {
	const selection = getSelection();
	return document.hidden || main.contains(document.activeElement) && document.activeElement !== main ||
		selection && !selection.isCollapsed && main.contains(selection.anchorNode);
}

// Says whether to go on.
async function refresh() {
	const main = document.getElementById("main");
	if (busy(main))
		return true;
	const response = await fetch(location.href, { headers: { Accept: "text/html" } });
	const page = new DOMParser().parseFromString(await response.text(), "text/html");
	const fresh = page.getElementById("main");
	if (!fresh || busy(main))
		return true;
	const open = new Set(Array.from(main.querySelectorAll("details[open][id]"), (d) => d.id));
	const scrolls = Array.from(main.querySelectorAll(".scroll"), (s) => s.scrollLeft);
	main.replaceChildren(...fresh.childNodes);
	for (const details of main.querySelectorAll("details[id]"))
		details.open = open.has(details.id);
	main.querySelectorAll(".scroll").forEach((s, i) => { s.scrollLeft = scrolls[i] || 0; });
	document.title = page.title;
	enhance(main);
	document.dispatchEvent(new Event("kwhy:fresh"));
	return "refresh" in page.body.dataset;
}

let renew = refresh;

// A page's own way of getting up to date, instead of being made anew; null: no more.
export function renewWith(own) {
	renew = own || refresh;
}

// The server says when there is something new; a page says how often at most it wants to change, and on what.
// Listening costs one of the few connections a browser makes to a host, so only the visible tab does.  Where it
// cannot be (too many listeners already), the page asks at its own pace.
function keepFresh() {
	const { refresh: seconds, on } = document.body.dataset;
	const gap = Number(seconds) * 1000;
	let source = null, timer = 0, idle = 0, asked = Date.now();
	if (!gap)
		return;

	async function ask() {
		timer = 0;
		asked = Date.now();
		try {
			if (!await renew())
				stop();
		} catch {
			// The server is away; the next message may find it back.
		}
		if (!source && !document.hidden)
			soon();
	}

	function soon() {
		timer ||= setTimeout(ask, Math.max(0, asked + gap - Date.now()));
	}

	function listen() {
		source = new EventSource("/api/v1/stream");
		for (const name of on === "incident" ? ["incident", "missed"] : ["tick", "incident", "missed"])
			source.addEventListener(name, soon);
		source.onerror = () => {
			if (source.readyState !== EventSource.CLOSED)
				return; // the browser tries again by itself
			source.close();
			source = null;
			setTimeout(follow, 30000);
			soon();
		};
	}

	function follow() {
		if (document.hidden || source)
			return;
		listen();
		soon();
	}

	function stop() {
		document.removeEventListener("visibilitychange", turn);
		clearInterval(idle);
		source?.close();
		source = { close() {} };
	}

	function turn() {
		if (!document.hidden)
			return follow();
		source?.close();
		source = null;
	}

	document.addEventListener("visibilitychange", turn);
	listen();
	// That nothing comes any more is news too.
	idle = setInterval(soon, Math.max(gap, 15000));
}

zoneButton.hidden = false;
zoneButton.addEventListener("click", () => {
	local = !local;
	localStorage.setItem("kwhy-zone", local ? "local" : "utc");
	showTimes(document);
	document.dispatchEvent(new Event("kwhy:zone"));
});
// Paper does not unfold.
let folded = [];
addEventListener("beforeprint", () => {
	folded = Array.from(document.querySelectorAll("details:not([open])"));
	folded.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
document.addEventListener("click", (event) => {
	if (event.target.matches("button.print"))
		print();
});
addEventListener("hashchange", openTarget);
addEventListener("keydown", onKey);
enhance(document);
openTarget();
keepFresh();
