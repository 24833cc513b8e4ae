// SPDX-License-Identifier: Apache-2.0
// A moment, in the zone that was chosen: the page's own script fills it in, now and when the zone changes.
import { showTime } from "./kwhy.js";
import { h } from "./preact.mjs";

export function Time({ ms, short }) {
	return h("time", { dateTime: new Date(ms).toISOString(), class: short ? "short" : "", ref: (e) => e && showTime(e) });
}
