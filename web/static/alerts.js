// SPDX-License-Identifier: Apache-2.0
// /alerts: while somebody writes what to silence, which of the alerts listed it would hold back (analyze/silences.c).
import htm from "./htm.mjs";
import { h, render } from "./preact.mjs";

const html = htm.bind(h);
const SHOWN = 5;

// "container=web", "cause=~cpu.*": whether labels match; null: it is no matcher.
function matcher(line) {
	const [, name, op, value] = line.match(/^([^=!]+)(=~|!~|!=|=)(.*)$/) || [];
	if (!name)
		return null;
	try {
		const regex = op.endsWith("~") && new RegExp(`^(?:${value})$`);
		return (labels) => (regex ? regex.test(labels[name] || "") : (labels[name] || "") === value) !== op.startsWith("!");
	} catch {
		return null;
	}
}

function Matched({ text, alerts }) {
	const lines = text.split("\n").map((line) => line.trim()).filter(Boolean), matchers = lines.map(matcher);
	const bad = lines.find((_, i) => !matchers[i]);
	if (!lines.length)
		return null;
	if (bad)
		return html`<p class="note"><code>${bad}</code> is no matcher; one is like container=web or cause=~cpu.*</p>`;
	const held = alerts.filter(({ labels }) => matchers.every((matches) => matches(labels)));
	if (!held.length)
		return html`<p class="note">It would hold back none of the ${alerts.length} alerts listed.</p>`;
	return html`<p class="note">Of the ${alerts.length} alerts listed it would hold back ${held.length}:</p>
		<ul class="plain">${held.slice(0, SHOWN).map(({ alert, annotations, labels }) =>
		html`<li>${alert}: ${annotations?.summary || labels.container}</li>`)}</ul>`;
}

function begin() {
	const area = document.querySelector("textarea[name=matchers]"), place = document.createElement("div");
	let alerts = null;
	const show = () => alerts && render(html`<${Matched} text=${area.value} alerts=${alerts} />`, place);
	if (!area)
		return;
	place.className = "matched";
	place.setAttribute("role", "status");
	area.closest("form").append(place);
	area.addEventListener("input", show);
	area.addEventListener("focus", async () => {
		const response = await fetch("/alerts?format=json");
		alerts = response.ok ? (await response.json()).alerts : null;
		show();
	});
}

document.addEventListener("kwhy:fresh", begin);
begin();
