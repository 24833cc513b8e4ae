// SPDX-License-Identifier: Apache-2.0
// /observe with a script: charts that have one cursor and one chosen part together, the newest values as they come, and
// what changed in that part.  Until it runs, and without it, the page is what the server makes (web/page_observe.c).
import { Chart, clamp } from "./chart.js";
import htm from "./htm.mjs";
import { renewWith } from "./kwhy.js";
import { Component, h, render } from "./preact.mjs";
import { Time } from "./time.js";
import { quantity, span } from "./words.js";

const html = htm.bind(h);
const MINUTE = 60000;
const SHADED_SHOWN = 3; // more are folded away

const ms = (ns) => Number(ns) / 1e6;
const iso = (time) => new Date(time).toISOString();

// What the address says besides times.
function kept() {
	const now = new URLSearchParams(location.search), query = new URLSearchParams();
	for (const name of ["container", "series", "by"])
		if (now.get(name))
			query.set(name, now.get(name));
	return query;
}

const place = (query) => query.size ? `/observe?${query}` : "/observe";

// The same of other times.
function timed(times) {
	return new URLSearchParams([...kept(), ...Object.entries(times).map(([name, time]) => [name, iso(time)])]);
}

const address = (times) => place(timed(times));

async function read(query) {
	const response = await fetch(place(new URLSearchParams([...query, ["format", "json"]])));
	const answer = await response.json();
	if (!response.ok)
		throw new Error(answer.detail || response.statusText);
	return answer;
}

function frameOf(model) {
	const from = ms(model.from_ns), to = ms(model.to_ns), step = ms(model.step_ns);
	return { from, to, step, steps: model.items[0]?.values.length || Math.max(1, Math.round((to - from) / step)) };
}

const partOf = (model) => model.changes && { from: ms(model.changes.from_ns), to: ms(model.changes.to_ns) };
const isQuiet = (item) => !item.values.some((value) => value > 0);

// ---- what stands around the charts ----

function Lead({ frame }) {
	return html`<${Time} ms=${frame.from} /> – <${Time} ms=${frame.to} short />, ${span(frame.step * 1e6)} a step. The pale
		band is where a series lay eight times of ten before.`;
}

function Windows({ frame: { from, to } }) {
	const length = to - from;
	const links = [["← Earlier", from - length, from], ["5 min", to - 5 * MINUTE, to], ["15 min", to - 15 * MINUTE, to],
		["1 h", to - 60 * MINUTE, to], ["6 h", to - 360 * MINUTE, to], ["Later →", to, to + length],
		["Zoom out", from - length, to + length]];
	const container = kept().get("container");
	return html`<div class="spans" role="group" aria-label="Window">
		${links.map(([text, since, until]) => html`<a href=${address({ since, until })}>${text}</a> `)}
		<a href=${`/observe${container ? `?${new URLSearchParams({ container })}` : ""}`}>Now</a>
	</div>`;
}

function Selection({ frame, part, onSubmit }) {
	// What somebody types stays until another part is chosen.
	const field = (name, label, hint, value) => html`<label>${label}<input key=${value} name=${name} placeholder=${hint}
		defaultValue=${value ? iso(value) : ""} autocomplete="off" /></label>`;
	const hidden = [...kept(), ["since", iso(frame.from)], ["until", iso(frame.to)]];
	return html`<form class="filter selection" method="get" aria-label="Selected part" onSubmit=${onSubmit}>
		${hidden.map(([name, value]) => html`<input type="hidden" name=${name} value=${value} />`)}
		${field("from", "Part from", "10:01:02", part?.from)}
		${field("to", "to", "10:01:04", part?.to)}
		<p class="actions"><button>What changed</button>${" "}
			<button name="do" value="diagnose">Diagnose it</button>${" "}
			<button name="do" value="zoom">Zoom in</button></p>
		<p class="note hint">Drag over a chart to choose a part; or go into one: ← → move, with Shift they choose, Enter goes
			to what changed, Escape takes it back. A double click zooms out.</p>
	</form>`;
}

function Shaded({ incidents }) {
	if (!incidents?.length)
		return null;
	return html`<details class="more" id="shaded" open=${incidents.length <= SHADED_SHOWN}>
		<summary>${incidents.length === 1 ? "1 incident is" : `${incidents.length} incidents are`} shaded</summary>
		<ul class="plain">${incidents.map((incident) => html`<li key=${incident.id}>
			<span class=${`badge ${incident.severity}`}>${incident.severity}</span>${" "}
			<${Time} ms=${ms(incident.onset_ns)} short />${" "}
			<a href=${`/incidents/${incident.id}`}>${incident.headline}</a></li>`)}</ul>
	</details>`;
}

// ---- what changed ----

const none = html`<span class="none">–</span>`;
const number = (value) => value ?? 0;
const length = (value) => value == null ? none : span(Number(value));
const measured = (value, { unit }) => quantity(value, unit);
const moment = (value) => html`<${Time} ms=${ms(value)} short />`;

// Lists of a part and their columns: heading, key, how the value is shown, and whether it is a number.
const LISTS = [
	["series", "Measured", [["Measured", "title"], ["Before", "before", measured, true],
		["In this part", "after", measured, true]]],
	["blame", "Who it waited for", [["Resource", "resource"], ["Culprit", "culprit"], ["Before", "before_ns", length, true],
		["In this part", "after_ns", length, true]]],
	["events", "Events", [["Kind", "kind"], ["Before", "before", number, true], ["In this part", "after", number, true]]],
	["containers", "Containers that began or ended", [["Name", "name"], ["What", "what"], ["When", "ts_ns", moment]]],
	["log", "Kernel log", [["When", "ts_ns", moment], ["Text", "text"]]],
];

function Table({ title, columns, rows }) {
	const cell = (row, [, key, show, num]) =>
		html`<td class=${num ? "num" : ""}>${show ? show(row[key], row) : row[key] ?? none}</td>`;
	return html`<h3>${title}</h3><div class="scroll" tabindex="0" role="region" aria-label=${title}><table>
		<thead><tr>${columns.map(([heading, , , num]) => html`<th scope="col" class=${num ? "num" : ""}>${heading}</th>`)}</tr></thead>
		<tbody>${rows.map((row) => html`<tr>${columns.map((column) => cell(row, column))}</tr>`)}</tbody></table></div>`;
}

function Changes({ changes, onClear }) {
	const from = ms(changes.from_ns), to = ms(changes.to_ns), before = from - ms(changes.before_ns);
	const why = new URLSearchParams({ container: kept().get("container") || "host", since: iso(from), until: iso(to) });
	return html`<section aria-labelledby="h-changed" id="changed" class="sheet">
		<h2 id="h-changed">What changed</h2>
		<p class="note" role="status"><${Time} ms=${from} /> – <${Time} ms=${to} short /> (${span((to - from) * 1e6)}) against
			the ${span(before * 1e6)} before it; times and counts of before are for as long a part.</p>
		<p class="spans"><a href=${`/why?${why}`}>Diagnose it</a> <a href=${address({ since: from, until: to })}>Zoom in</a>${" "}
			<button type="button" class="link" onClick=${onClear}>Take back</button></p>
		${!changes.series.length && html`<p>Nothing measured left what was usual before.</p>`}
		${LISTS.map(([name, title, columns]) => changes[name]?.length > 0 &&
		html`<${Table} title=${title} columns=${columns} rows=${changes[name]} />`)}
	</section>`;
}

// ---- the page ----

class Observe extends Component {
	constructor(props) {
		super(props);
		this.state = { model: props.model, part: partOf(props.model), at: -1, problem: "" };
		this.turn = 0; // of answers only that to the newest question counts
		this.anchor = -1; // step where the choice that may go on began
	}

	componentDidMount() {
		this.componentDidUpdate();
		renewWith(() => this.renew());
	}

	componentDidUpdate() {
		render(html`<${Lead} frame=${frameOf(this.state.model)} />`, this.props.lead);
	}

	async load(query) {
		const turn = ++this.turn;
		try {
			const model = await read(query);
			const part = partOf(model), { from, to } = frameOf(model);
			if (turn !== this.turn)
				return;
			if (part)
				history.replaceState(null, "", address({ since: from, until: to, ...part }));
			this.setState({ model, part, problem: model.problem || "" });
		} catch (error) {
			if (turn === this.turn)
				this.setState({ problem: error.message });
		}
	}

	// What somebody looks at in particular is not moved from under their eyes.
	async renew() {
		if (!this.state.part)
			await this.load(this.props.live);
		return true;
	}

	point(at, choosing) {
		const { state } = this, { from, to, step, steps } = frameOf(state.model);
		const time = (i) => Math.min(to, from + i * step);
		at = clamp(at, 0, steps - 1);
		if (!choosing)
			this.anchor = -1;
		else if (this.anchor < 0)
			this.anchor = state.at < 0 ? at : state.at;
		if (choosing) {
			const part = { from: time(Math.min(this.anchor, at)), to: time(Math.max(this.anchor, at) + 1) };
			this.turn++; // an answer that is under way is about another part
			this.setState({ part, model: { ...state.model, changes: null } });
		}
		this.setState({ at });
	}

	chosen = () => {
		const { part, model } = this.state, { from, to } = frameOf(model);
		if (this.anchor >= 0 && part)
			this.load(timed({ since: from, until: to, ...part }));
	};

	clear = () => {
		const { model } = this.state;
		this.turn++;
		this.anchor = -1;
		this.setState({ part: null, model: { ...model, changes: null }, problem: "" });
		history.replaceState(null, "", place(this.props.live));
	};

	// The browser took the finger for its own: it scrolls.
	dropped = () => {
		if (this.anchor >= 0)
			this.clear();
	};

	submit = (event) => {
		if (event.submitter?.value)
			return; // leads elsewhere
		event.preventDefault();
		this.load(new URLSearchParams(new FormData(event.target)));
	};

	zoomOut = () => {
		const { from, to } = frameOf(this.state.model);
		location.assign(address({ since: 2 * from - to, until: 2 * to - from }));
	};

	onKey = (event) => {
		const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
		if (event.ctrlKey || event.altKey || event.metaKey)
			return;
		if (event.key === "Escape" && this.state.part)
			this.clear();
		else if (event.key === "Enter")
			document.querySelector("#changed a")?.focus();
		else if (move)
			this.point((this.state.at < 0 ? frameOf(this.state.model).steps - 1 : this.state.at) + move, event.shiftKey);
		else
			return;
		event.preventDefault();
	};

	onKeyUp = (event) => {
		if (event.key === "Shift")
			this.chosen();
	};

	onDown = (event, at) => {
		if (event.button !== 0)
			return;
		this.anchor = -1;
		this.setState({ at });
		event.currentTarget.setPointerCapture(event.pointerId);
	};

	onMove = (event, at) => {
		if (at !== this.state.at)
			this.point(at, event.currentTarget.hasPointerCapture(event.pointerId));
	};

	onLeave = () => this.setState({ at: -1 });

	chart(item, label, link) {
		const { model, part, at } = this.state;
		return html`<div class="cell" key=${`${item.name} ${item.container}`}>
			<${Chart} item=${item} label=${label} frame=${frameOf(model)} incidents=${model.incidents} part=${part} at=${at}
				onKey=${this.onKey} onKeyUp=${this.onKeyUp} onDown=${this.onDown} onMove=${this.onMove} onUp=${this.chosen}
				onDropped=${this.dropped} onLeave=${this.onLeave} onDblClick=${this.zoomOut} />
			${link}</div>`;
	}

	byGroup({ items, container }, { from, to }) {
		const groups = new Map(), whole = Number(container.container) === 0;
		for (const item of items.filter((one) => !isQuiet(one)))
			groups.set(item.group, [...groups.get(item.group) ?? [], item]);
		return Array.from(groups, ([group, list]) => html`<section key=${group} class=${`subsystem n${list.length}`}>
			<h2>${group}</h2><div class="charts">${list.map((item) => this.chart(item, item.title,
			whole && !item.name.startsWith("host.") && html`<a class="split" href=${`/observe?${new URLSearchParams({
				by: "container", series: item.name, since: iso(from), until: iso(to) })}`}>by container<span
				class="off">: ${item.title}</span></a>`))}</div></section>`);
	}

	byContainer({ items }, { from, to }) {
		return html`<section class="subsystem"><h2>${items[0]?.title}, by container</h2><div class="charts">
			${items.map((item) => this.chart(item, item.container_name || "unknown", html`<a class="split"
				href=${`/observe?${new URLSearchParams({ container: item.container, since: iso(from), until: iso(to) })}`}>all of
				<span>${item.container_name || "unknown"}</span></a>`))}</div></section>`;
	}

	render(props, { model, part, problem }) {
		const frame = frameOf(model), quiet = model.items.filter(isQuiet).map((item) => item.title);
		const charts = kept().get("by") ? this.byContainer(model, frame) : this.byGroup(model, frame);
		return html`<${Windows} frame=${frame} />
			<${Selection} frame=${frame} part=${part} onSubmit=${this.submit} />
			${problem && html`<p class="warn" role="alert">${problem}</p>`}
			<${Shaded} incidents=${model.incidents} />
			<div id="observed">${charts}</div>
			${quiet.length > 0 && html`<p class="note">Nothing of: ${quiet.join(", ")}.</p>`}
			${part && model.changes && html`<${Changes} changes=${model.changes} onClear=${this.clear} />`}`;
	}
}

// The same question without the part: what is asked again and again while the page is open.
function liveQuery() {
	const query = new URLSearchParams(location.search);
	query.delete("from");
	query.delete("to");
	return query;
}

async function begin() {
	renewWith(() => true); // not in the midst of this
	const live = liveQuery(), model = await read(new URLSearchParams(location.search));
	const view = document.getElementById("view"), lead = document.querySelector(".lead");
	view.replaceChildren();
	lead.replaceChildren();
	render(html`<${Observe} model=${model} live=${live} lead=${lead} />`, view);
}

begin().catch((error) => {
	console.info(`The charts stay as they were drawn: ${error.message}`);
	renewWith(null);
});
