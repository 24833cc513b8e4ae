/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/kinds.h"

#include <string.h>

#define FIELD(kind, member, ftype, funit, ftext)                                                                \
	{ #member, KW_TYPE_##ftype, KW_UNIT_##funit, offsetof(struct kw_##kind, member),                        \
	  sizeof(((struct kw_##kind *)0)->member), ftext },

#define KW_EVENT(number, name, class, title) \
	static const struct kw_field fields_##name[] = { KW_FIELDS_##name(FIELD_##name) { 0 } };

#define FIELD_tick(m, t, u, x) FIELD(tick, m, t, u, x)
#define FIELD_cgroup(m, t, u, x) FIELD(cgroup, m, t, u, x)
#define FIELD_stack(m, t, u, x) FIELD(stack, m, t, u, x)
#define FIELD_probe(m, t, u, x) FIELD(probe, m, t, u, x)
#define FIELD_log(m, t, u, x) FIELD(log, m, t, u, x)
#define FIELD_runq(m, t, u, x) FIELD(runq, m, t, u, x)
#define FIELD_throttle(m, t, u, x) FIELD(throttle, m, t, u, x)
#define FIELD_tally(m, t, u, x) FIELD(tally, m, t, u, x)
#define FIELD_irq(m, t, u, x) FIELD(irq, m, t, u, x)
#define FIELD_tickgap(m, t, u, x) FIELD(tickgap, m, t, u, x)
#define FIELD_nosched(m, t, u, x) FIELD(nosched, m, t, u, x)
#define FIELD_offcpu(m, t, u, x) FIELD(offcpu, m, t, u, x)
#define FIELD_lock(m, t, u, x) FIELD(lock, m, t, u, x)
#define FIELD_reclaim(m, t, u, x) FIELD(reclaim, m, t, u, x)
#define FIELD_oom(m, t, u, x) FIELD(oom, m, t, u, x)
#define FIELD_oom_task(m, t, u, x) FIELD(oom_task, m, t, u, x)
#define FIELD_dirty(m, t, u, x) FIELD(dirty, m, t, u, x)
#define FIELD_evict(m, t, u, x) FIELD(evict, m, t, u, x)
#define FIELD_block(m, t, u, x) FIELD(block, m, t, u, x)
#define FIELD_drop(m, t, u, x) FIELD(drop, m, t, u, x)
#define FIELD_retransmit(m, t, u, x) FIELD(retransmit, m, t, u, x)
#define FIELD_signal(m, t, u, x) FIELD(signal, m, t, u, x)
#define FIELD_exit(m, t, u, x) FIELD(exit, m, t, u, x)
#define FIELD_freeze(m, t, u, x) FIELD(freeze, m, t, u, x)
#define FIELD_wait(m, t, u, x) FIELD(wait, m, t, u, x)
#define FIELD_blame(m, t, u, x) FIELD(blame, m, t, u, x)
#define FIELD_usage(m, t, u, x) FIELD(usage, m, t, u, x)
#define FIELD_pressure(m, t, u, x) FIELD(pressure, m, t, u, x)
#define FIELD_host(m, t, u, x) FIELD(host, m, t, u, x)
#define FIELD_netstat(m, t, u, x) FIELD(netstat, m, t, u, x)
#define FIELD_identity(m, t, u, x) FIELD(identity, m, t, u, x)
#define FIELD_source(m, t, u, x) FIELD(source, m, t, u, x)
#define FIELD_iolimit(m, t, u, x) FIELD(iolimit, m, t, u, x)
#define FIELD_link(m, t, u, x) FIELD(link, m, t, u, x)
#define FIELD_listen(m, t, u, x) FIELD(listen, m, t, u, x)
#define FIELD_netfail(m, t, u, x) FIELD(netfail, m, t, u, x)
#define FIELD_stuck(m, t, u, x) FIELD(stuck, m, t, u, x)
#define FIELD_answer(m, t, u, x) FIELD(answer, m, t, u, x)
#define FIELD_qdelay(m, t, u, x) FIELD(qdelay, m, t, u, x)
#define FIELD_sockmem(m, t, u, x) FIELD(sockmem, m, t, u, x)
#define FIELD_fulltable(m, t, u, x) FIELD(fulltable, m, t, u, x)
#define FIELD_klog(m, t, u, x) FIELD(klog, m, t, u, x)
#define FIELD_blocked(m, t, u, x) FIELD(blocked, m, t, u, x)
#define FIELD_limit(m, t, u, x) FIELD(limit, m, t, u, x)
#define FIELD_denied(m, t, u, x) FIELD(denied, m, t, u, x)
#define FIELD_zombies(m, t, u, x) FIELD(zombies, m, t, u, x)
#define FIELD_errors(m, t, u, x) FIELD(errors, m, t, u, x)
#define FIELD_fsync(m, t, u, x) FIELD(fsync, m, t, u, x)
#define FIELD_commit(m, t, u, x) FIELD(commit, m, t, u, x)
#define FIELD_logwait(m, t, u, x) FIELD(logwait, m, t, u, x)
#define FIELD_sync(m, t, u, x) FIELD(sync, m, t, u, x)
#define FIELD_nospace(m, t, u, x) FIELD(nospace, m, t, u, x)
#define FIELD_fserror(m, t, u, x) FIELD(fserror, m, t, u, x)
#define FIELD_fuse(m, t, u, x) FIELD(fuse, m, t, u, x)
#define FIELD_govern(m, t, u, x) FIELD(govern, m, t, u, x)
#define FIELD_held(m, t, u, x) FIELD(held, m, t, u, x)
#define FIELD_profile(m, t, u, x) FIELD(profile, m, t, u, x)
#define FIELD_wakeup(m, t, u, x) FIELD(wakeup, m, t, u, x)
#define FIELD_mount(m, t, u, x) FIELD(mount, m, t, u, x)
#include "schema/events.def"
#undef KW_EVENT

static const struct kw_kind_info kinds[] = {
#define KW_EVENT(number, name, class, title) \
	{ number, KW_CLASS_##class, #name, title, sizeof(struct kw_##name), fields_##name },
#include "schema/events.def"
#undef KW_EVENT
};

const struct kw_kind_info *kw_kind_by_number(unsigned int number)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].number == number)
			return &kinds[i];
	return NULL;
}

const struct kw_kind_info *kw_kind_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

size_t kw_payload_min(const struct kw_kind_info *info)
{
	const struct kw_field *last = info->fields;

	if (info->class != KW_CLASS_CONTROL || !last->name)
		return info->payload_size;
	while (last[1].name)
		last++;
	return last->type == KW_TYPE_STR ? last->offset : info->payload_size;
}

const struct kw_kind_info *kw_kind_at(size_t index)
{
	return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index] : NULL;
}

static const char *name_at(const char *const *names, size_t count, unsigned int i)
{
	return i < count && names[i] ? names[i] : "unknown";
}

const char *kw_wait_reason_name(unsigned int reason)
{
	static const char *const names[KW_WAIT_MAX] = {
		[KW_WAIT_CPU] = "cpu",         [KW_WAIT_THROTTLED] = "throttled", [KW_WAIT_BLOCK] = "block",
		[KW_WAIT_LOCK] = "lock",       [KW_WAIT_RECLAIM] = "reclaim",     [KW_WAIT_FROZEN] = "frozen",
		[KW_WAIT_FSFROZEN] = "fs_frozen", [KW_WAIT_OTHER] = "other",     [KW_WAIT_REMOTE] = "remote",
		[KW_WAIT_STOLEN] = "stolen",
		[KW_WAIT_FUTEX] = "futex",     [KW_WAIT_FILELOCK] = "file_lock",  [KW_WAIT_PEER] = "peer",
		[KW_WAIT_STOPPED] = "stopped", [KW_WAIT_TRACED] = "traced",
		[KW_WAIT_FAULT] = "fault",
	};
	return name_at(names, KW_WAIT_MAX, reason);
}

const char *kw_resource_name(unsigned int resource)
{
	static const char *const names[KW_RES_MAX] = {
		[KW_RES_CPU] = "cpu",       [KW_RES_BLOCK] = "block",     [KW_RES_LOCK] = "lock",
		[KW_RES_MEMORY] = "memory", [KW_RES_FS] = "filesystem", [KW_RES_JOURNAL] = "journal",
		[KW_RES_FUTEX] = "futex",   [KW_RES_FILELOCK] = "file_lock", [KW_RES_PEER] = "peer",
		[KW_RES_TRACE] = "trace",   [KW_RES_FAULT] = "fault",
	};
	return name_at(names, KW_RES_MAX, resource);
}

const char *kw_sink_name(unsigned int sink)
{
	static const char *const names[] = { "container", "idle", "unknown", "device", "irq", "steal",
					     "writeback" };

	return name_at(names, sizeof(names) / sizeof(names[0]), sink);
}

const char *kw_source_name(unsigned int source)
{
	switch (source) {
#define ORIGIN(number, name, rank, title) case number: return #name;
#define SOURCE(number, name, rank, lane, title) case number: return #name;
#include "schema/sources.def"
#undef SOURCE
#undef ORIGIN
	default:
		return "";
	}
}
