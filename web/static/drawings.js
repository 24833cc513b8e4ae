// SPDX-License-Identifier: Apache-2.0
// Drawings of /observe in a program without the libraries of observe.js: they share a cursor and a selection, by pointer
// and by keyboard.
import { quantity } from "./words.js";

const WIDTH = 1000;
let at = -1; // step under the cursor, -1: none
let anchor = -1; // where the selection began

const frame = () => document.getElementById("observed");
const charts = () => document.querySelectorAll("#observed .chart");

function measure() {
	const { from, to, step } = frame().dataset;
	return { from: Number(from), to: Number(to), step: Number(step), steps: Math.ceil((to - from) / step) };
}

function showCursor() {
	const { from, step, steps } = measure(), x = at < 0 ? -9 : (at + 0.5) / steps * WIDTH;
	for (const chart of charts()) {
		const now = chart.querySelector(".now"), line = chart.querySelector(".cursor");
		line.setAttribute("x1", x);
		line.setAttribute("x2", x);
		now.dataset.last ??= now.textContent;
		if (at < 0) {
			now.textContent = now.dataset.last;
			continue;
		}
		const value = chart.dataset.values.split(",")[at];
		const when = new Date(from + at * step).toISOString().slice(11, 19);
		now.textContent = `${value ? quantity(Number(value), chart.dataset.unit) : "no data"} at ${when}`;
	}
}

function showSelection(first, last) {
	const { from, to, step, steps } = measure();
	for (const rect of document.querySelectorAll("#observed .selected")) {
		rect.setAttribute("x", first / steps * WIDTH);
		rect.setAttribute("width", (last + 1 - first) / steps * WIDTH);
	}
	const form = document.querySelector("form.selection");
	form.elements.from.value = new Date(from + first * step).toISOString();
	form.elements.to.value = new Date(Math.min(to, from + (last + 1) * step)).toISOString();
}

function select() {
	if (anchor >= 0)
		showSelection(Math.min(anchor, at), Math.max(anchor, at));
}

function stepOf(event, plot) {
	const box = plot.getBoundingClientRect(), { steps } = measure();
	return Math.max(0, Math.min(steps - 1, Math.floor((event.clientX - box.left) / box.width * steps)));
}

function plotOf(event) {
	return event.target instanceof Element ? event.target.closest("#observed .plot") : null;
}

function onMove(event) {
	const plot = plotOf(event);
	if (!plot) {
		if (at >= 0 && anchor < 0 && frame() && !frame().contains(document.activeElement)) {
			at = -1;
			showCursor();
		}
		return;
	}
	at = stepOf(event, plot);
	showCursor();
	if (event.buttons & 1)
		select();
}

function onDown(event) {
	const plot = plotOf(event);
	if (!plot || event.button !== 0)
		return;
	anchor = at = stepOf(event, plot);
	event.preventDefault();
}

function onUp() {
	const done = anchor >= 0 && anchor !== at;
	anchor = -1;
	if (done)
		document.querySelector("form.selection button").focus({ preventScroll: true });
}

function onKey(event) {
	const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
	const chart = event.target.closest("#observed .chart");
	if (!chart || !move || event.ctrlKey || event.altKey || event.metaKey)
		return;
	const { steps } = measure();
	event.preventDefault();
	if (at < 0)
		at = steps - 1;
	if (!event.shiftKey)
		anchor = -1;
	else if (anchor < 0)
		anchor = at;
	at = Math.max(0, Math.min(steps - 1, at + move));
	showCursor();
	select();
}

function begin() {
	for (const chart of charts())
		chart.tabIndex = 0;
	const hint = document.querySelector(".selection .hint");
	if (hint)
		hint.hidden = false;
	at = anchor = -1;
}

document.addEventListener("pointermove", onMove);
document.addEventListener("pointerdown", onDown);
document.addEventListener("pointerup", onUp);
document.addEventListener("keydown", onKey);
document.addEventListener("kwhy:fresh", begin);
begin();
