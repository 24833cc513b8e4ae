// SPDX-License-Identifier: Apache-2.0
// One series over time, drawn by uPlot: what was usual and incidents behind it, a cursor and a chosen part before it.
// Those belong to all charts of a page, so they are props; pointers and keys are told to whoever holds them.
import htm from "./htm.mjs";
import { clock, isLocal } from "./kwhy.js";
import { Component, h } from "./preact.mjs";
import { Time } from "./time.js";
import uPlot from "./uPlot.esm.js";
import { quantity } from "./words.js";

const html = htm.bind(h);
const HEIGHT = 108; // as the server's drawing with its axis, so that nothing moves
const FONT = "12px system-ui, sans-serif";
const DAY = 86400000;
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const TIMES = SECONDS.map((s) => s * 1000);
const SIZES = Array.from({ length: 50 }, (_, i) => 2 ** i);
// All that uPlot would do by itself on these is done by the page, for fingers and keys, too.
const EVENTS = ["mousedown", "mouseup", "click", "dblclick", "mousemove", "mouseleave", "mouseenter"];

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SHADES = [["info", 0.14, "info"], ["wait", 0.26, "warning"], ["critical", 0.26, "critical"]];

function extremes(item) {
	let most = -1, last = -1;
	item.values.forEach((value, i) => {
		if (value === null)
			return;
		last = i;
		if (most < 0 || value > item.values[most])
			most = i;
	});
	return { most, last };
}

// Each value is that of a span of time: steps, with a gap where nothing was recorded.
function steps(plot) {
	const stroke = new Path2D(), [times, values] = plot.data;
	let drawing = false;
	for (let i = 0; i + 1 < times.length; i++) {
		if (values[i] === null) {
			drawing = false;
			continue;
		}
		const left = plot.valToPos(times[i], "x", true), y = plot.valToPos(values[i], "y", true);
		if (drawing)
			stroke.lineTo(left, y);
		else
			stroke.moveTo(left, y);
		stroke.lineTo(plot.valToPos(times[i + 1], "x", true), y);
		drawing = true;
	}
	return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

function timeLabels(plot, moments) {
	const minutes = moments.every((t) => t % 60000 === 0), days = plot.scales.x.max - plot.scales.x.min > 2 * DAY;
	return moments.map((t) => days ? new Date(t).toISOString().slice(5, 10) : clock(new Date(t)).slice(0, minutes ? 5 : 8));
}

export class Chart extends Component {
	componentDidMount() {
		this.plot = new uPlot(this.options(), this.data(), this.box);
		this.sizes = new ResizeObserver(() => {
			if (this.box.clientWidth !== this.plot.width)
				this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT });
		});
		this.sizes.observe(this.box);
		this.redraw = () => this.plot.redraw(false, true);
		this.scheme = matchMedia("(prefers-color-scheme: dark)");
		this.scheme.addEventListener("change", this.redraw);
		document.addEventListener("kwhy:zone", this.redraw);
	}

	componentWillUnmount() {
		this.sizes.disconnect();
		this.scheme.removeEventListener("change", this.redraw);
		document.removeEventListener("kwhy:zone", this.redraw);
		this.plot.destroy();
	}

	componentDidUpdate(before) {
		if (before.item !== this.props.item)
			this.plot.setData(this.data());
		else
			this.mark(this.plot);
	}

	data() {
		const { item: { values }, frame: { from, to, step } } = this.props;
		return [Array.from({ length: values.length + 1 }, (_, i) => Math.min(to, from + i * step)), [...values, values.at(-1)]];
	}

	top() {
		const { item } = this.props, { most } = extremes(item);
		return Math.max(most < 0 ? 0 : item.values[most], item.high ?? 0) * 1.05 || 1;
	}

	options() {
		const { unit } = this.props.item, axis = {
			font: FONT,
			stroke: () => color("soft"),
			grid: { stroke: () => color("line"), width: 1 },
			ticks: { show: false },
			gap: 4,
		};
		return {
			width: this.box.clientWidth,
			height: HEIGHT,
			ms: 1,
			padding: [8, 8, 0, 0],
			legend: { show: false },
			tzDate: (t) => isLocal() ? new Date(t) : uPlot.tzDate(new Date(t), "UTC"),
			cursor: {
				y: false,
				points: { show: false },
				bind: Object.fromEntries(EVENTS.map((name) => [name, () => null])),
			},
			scales: {
				x: { range: () => [this.props.frame.from, this.props.frame.to] },
				y: { range: () => [0, this.top()] },
			},
			axes: [
				{ ...axis, size: 22, space: 70, incrs: TIMES, values: timeLabels },
				{
					...axis,
					size: 62,
					space: 34,
					...unit.startsWith("bytes") ? { incrs: SIZES } : {},
					values: (plot, values) => values.map((v) => quantity(v, /^(ratio|bytes)/.test(unit) ? unit : "")),
				},
			],
			series: [{}, { stroke: () => color("accent"), width: 1.5, paths: steps, points: { show: false } }],
			hooks: { drawClear: [(plot) => this.behind(plot)], draw: [(plot) => this.mark(plot)] },
		};
	}

	behind(plot) {
		const { item, incidents, frame } = this.props, { ctx, bbox: { left, top, width, height } } = plot;
		const x = (ms) => clamp(plot.valToPos(ms, "x", true), left, left + width);
		const y = (value) => clamp(plot.valToPos(value, "y", true), top, top + height);
		const fill = (name, ...box) => {
			ctx.fillStyle = color(name);
			ctx.fillRect(...box);
		};
		ctx.save();
		fill("sunken", left, top, width, height);
		if (item.low !== null && item.high !== null)
			fill("line", left, y(item.high), width, Math.max(1, y(item.low) - y(item.high)));
		// Those of one severity are one shape: many at a time are no darker than one.
		for (const [name, alpha, severity] of SHADES) {
			const shape = new Path2D();
			for (const { onset_ns: onset, end_ns: end } of (incidents ?? []).filter((one) => one.severity === severity)) {
				const from = x(Number(onset) / 1e6), to = x(end ? Number(end) / 1e6 : frame.to);
				shape.rect(from, top, Math.max(2, to - from), height);
			}
			ctx.fillStyle = color(name);
			ctx.globalAlpha = alpha;
			ctx.fill(shape);
		}
		ctx.restore();
	}

	mark(plot) {
		const { at, part, frame } = this.props, x = (ms) => plot.valToPos(clamp(ms, frame.from, frame.to), "x");
		const left = part ? x(part.from) : 0;
		plot.setCursor({ left: at < 0 ? -10 : x(frame.from + (at + 0.5) * frame.step), top: 0 }, false);
		plot.setSelect({ left, width: part ? Math.max(2, x(part.to) - left) : 0, top: 0, height: plot.over.clientHeight }, false);
	}

	// The step that is there.
	stepAt(event) {
		const { from, to, step, steps: count } = this.props.frame, box = this.plot.over.getBoundingClientRect();
		return clamp(Math.floor((event.clientX - box.left) / box.width * (to - from) / step), 0, count - 1);
	}

	render({ item, label, frame, at, onKey, onKeyUp, onDown, onMove, onUp, onDropped, onLeave, onDblClick }) {
		const { most, last } = extremes(item), shown = at < 0 ? last : at, value = item.values[shown];
		const when = (step) => frame.from + step * frame.step, said = value == null ? "no data" : quantity(value, item.unit);
		const time = (step) => html`at <${Time} ms=${when(step)} short />`;
		const peak = () => most < 0 ? "unknown" : html`${quantity(item.values[most], item.unit)} ${time(most)}`;
		return html`<figure class="chart" aria-label=${label}>
			<figcaption><b>${label}</b> <span class="now">${said}</span>
				<small class="range">${at < 0 ? "" : time(at)}${at >= 0 && item.usual !== null ? "; " : ""}
				${item.usual === null ? "" : `usually ${quantity(item.usual, item.unit)}`}
				${at >= 0 ? "" : html`${item.usual === null ? "" : "; "}at most ${peak()}`}</small></figcaption>
			<div class="plot" tabindex="0" role="slider" aria-label=${`${label}, moment`} aria-valuemin="0"
				aria-valuemax=${frame.steps - 1} aria-valuenow=${Math.max(0, shown)}
				aria-valuetext=${`${said} at ${clock(new Date(when(Math.max(0, shown))))}`} ref=${(e) => { this.box = e; }}
				onKeyDown=${onKey} onKeyUp=${onKeyUp} onPointerUp=${onUp} onPointerCancel=${onDropped} onPointerLeave=${onLeave}
				onDblClick=${onDblClick} onPointerDown=${(e) => onDown(e, this.stepAt(e))}
				onPointerMove=${(e) => onMove(e, this.stepAt(e))} />
		</figure>`;
	}
}
