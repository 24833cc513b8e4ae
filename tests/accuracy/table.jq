# SPDX-License-Identifier: Apache-2.0
# Input: all runs.  Output: {markdown, causes, total, failed}: the table, its numbers, and what is not kept.

def percent($n; $of): if $of == 0 then "–" else "\((1000 * $n / $of | round) / 10) %" end;
def quantile($q): sort | if length == 0 then null else .[((length - 1) * $q | ceil)] end;
def seconds: if . == null then "–" else "\((. / 100 | round) / 10) s" end;
def numbers:
	{runs: length, top1: (map(select(.top1)) | length), top3: (map(select(.top3)) | length),
	 culprit: (map(select(.culprit)) | length), bystander: (map(select(.bystander != [])) | length),
	 confirmed: (map(select(.level == "confirmed")) | length), probable: (map(select(.level == "probable")) | length),
	 possible: (map(select(.level == "possible")) | length), abstained: (map(select(.abstained)) | length),
	 wrong_confirmed: (map(select(.wrong_confirmed != [])) | length),
	 median_ms: (map(.took_ms | values) | quantile(0.5)), p95_ms: (map(.took_ms | values) | quantile(0.95))};
def row($name): "| \($name) | \(.runs) | \(percent(.top1; .runs)) | \(percent(.top3; .runs)) | \(percent(.culprit; .runs)) | \(.bystander) | \(.confirmed) / \(.probable) / \(.possible) | \(.abstained) | \(.median_ms | seconds) | \(.p95_ms | seconds) |";
def gate($text; $kept): if $kept then empty else $text end;
def share($n): if .runs == 0 then 1 else $n / .runs end;

# Time that a hypervisor took is a cause of its own, beside that of the fault: such runs are shown, and counted apart.
def crowded: (.stolen // 0) >= 0.25;

map(select(.mode != "healthy" and .real and (crowded | not))) as $runs
| (map(select(.mode != "healthy" and .real and crowded)) | numbers) as $stolen
| map(select(.mode == "healthy")) as $healthy
| ($runs | group_by(.cause) | map({key: .[0].cause, value: numbers}) | from_entries) as $causes
| ($runs | group_by(.mode) | map({key: .[0].mode, value: numbers}) | from_entries) as $modes
| ($runs | numbers) as $total
| ($runs | map(select(.cause | startswith("net."))) | numbers) as $net
| ($runs | map(.of_load // [] | length) | add // 0) as $of_load
| ($healthy | map(.seconds) | add // 0) as $calm_seconds
| ($healthy | map(.alarms | length) | add // 0) as $alarms
| {causes: $causes, modes: $modes, total: $total, stolen: $stolen, healthy: {seconds: $calm_seconds, alarms: $alarms},
   failed: [
	($total | gate("cause right in \(percent(.top1; .runs)) of runs, 95 % are due"; share(.top1) >= 0.95)),
	($total | gate("culprit right in \(percent(.culprit; .runs)) of runs, 95 % are due"; share(.culprit) >= 0.95)),
	($net | gate("network causes right in \(percent(.top1; .runs)) of runs, 90 % are due"; share(.top1) >= 0.9)),
	($total | gate("a bystander was blamed in \(.bystander) runs"; .bystander == 0)),
	($total | gate("confirmed was wrong in \(.wrong_confirmed) runs"; .wrong_confirmed == 0)),
	($total | gate("reported within \(.p95_ms | seconds) at the 95th percentile, 5 s are due"; (.p95_ms // 0) <= 5000)),
	gate("\($alarms) alarms in \($calm_seconds) s of healthy load"; $alarms == 0)],
   markdown: (
	["| cause | runs | cause right | among the first three | culprit right | bystander blamed | confirmed / probable / possible | abstained | reported after (median) | 95 % within |",
	 "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
	+ ($causes | to_entries | map(.key as $k | .value | row("`\($k)`")))
	+ ($modes | to_entries | map(.key as $k | .value | row("*\({alone: "one fault alone", busy: "under load", pair: "two faults at once"}[$k] // $k)*")))
	+ [$total | row("**all**")]
	+ (if $stolen.runs > 0 then [$stolen | row("*not counted above: the hypervisor took a quarter of the CPU time or more*")] else [] end)
	+ (if $of_load > 0 then ["", "Under load \($of_load) more reports named a container of the load as the victim's neighbour; how much of the CPU or disk that had is not measured."] else [] end)
	+ ["", "Healthy load: \($calm_seconds) s, \($alarms) alarms above info."] | join("\n"))}
