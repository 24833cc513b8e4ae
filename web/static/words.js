// SPDX-License-Identifier: Apache-2.0
// Numbers as the server writes them (web/html.c).

const digits = (value) => String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));

function scaled(value, units) {
	const unit = units.findLast(([, size]) => Math.abs(value) >= size) || units[0];
	return `${digits(value / unit[1])} ${unit[0]}`;
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"].map((name, i) => [name, 1024 ** i]);
const SPANS = [["ns", 1], ["us", 1e3], ["ms", 1e6], ["s", 1e9], ["min", 60e9], ["h", 3600e9], ["d", 86400e9]];

export function span(ns) {
	return scaled(ns, SPANS);
}

export function quantity(value, unit) {
	switch (unit) {
	case "ns": return span(value);
	case "ratio": return `${digits(value * 100)} %`;
	case "bytes": return scaled(value, SIZES);
	case "bytes per s": return `${scaled(value, SIZES)}/s`;
	case "count": return digits(value);
	default: return `${digits(value)} ${unit}`.trimEnd();
	}
}
