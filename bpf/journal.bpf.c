// SPDX-License-Identifier: GPL-2.0-only
/*
 * Journals of ext4 (jbd2): who filled the transactions, how long their commits
 * took and in which phase, and who waited for them.
 *
 * A commit is one piece of work that many wait for, and belongs to those whose
 * handles dirtied its blocks, and the blocks of the commits just before, which
 * are still on their way to their places: a small commit is slow behind a large
 * one.  Its time is divided among them in that proportion and added to a running integral per cgroup, as the block probe
 * does with disks.  An fsync notes all integrals when it begins; the
 * differences at its end are who had the commits it waited for.
 *
 * XFS has no such commits: who changes something reserves space in the log first, and waits when what fills it has not
 * been written to its place yet.  btrfs writes metadata to new places, which have to be there: who changes something
 * reserves space among its metadata, and when there is none waits until what others changed has been committed.  Such a
 * wait belongs to those who reserved the space: on XFS of late, on btrfs since the commit before the one it waited for.
 */
#include "bpf/kwhy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define SLOTS 16             /* cgroups a journal tells apart; the last one is "all further" */
#define OVERFLOW (SLOTS - 1)
#define JOURNALS_MAX 128
#define COMMIT_SPAN_NS 250000000ULL /* quick commits are told this often */
#define WORTH_NS 1000

struct slot {
	struct kw_party party; /* the cgroup, and a task of it */
	u64 running;           /* blocks dirtied in the running transaction */
	u64 committing;        /* in the one being committed; of former ones half as much for each second */
	u64 acc_ns;            /* integral of its share of commits */
	u64 told_ns;           /* of that, in records sent */
	u64 used_ns;
};

struct journal {
	struct bpf_spin_lock lock;
	u32 transaction;
	u64 begin_ns;          /* of the commit going on, 0: none */
	u64 locked_ns;         /* boot times: data and journal phases begin */
	u64 logging_ns;
	u64 acc_ns;            /* integral of all commits */
	u64 told_acc_ns;
	u64 told_ns;           /* when the last record was sent */
	u64 count;             /* commits since */
	u64 second;            /* in which committing was last halved */
	u64 done_ns;           /* monotonic: the latest commit of a btrfs ended */
	struct slot slot[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, JOURNALS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct journal);
} journals SEC(".maps");

/* A new journal's value; of another type because a lock may not be read. */
struct empty_journal {
	u8 bytes[sizeof(struct journal)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct empty_journal);
} empty_journal SEC(".maps");

/* An fsync going on. */
struct fsync_state {
	u64 begin_ns;
	u64 inode;
	u64 other_ns;          /* kw_task_state.other_total_ns then */
	u64 acc_ns;
	u32 dev;
	u32 datasync;
	u64 slot_ns[SLOTS];
	char disk[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fsync_state);
} fsyncs SEC(".maps");

/* Who had how much, copied out under the lock. */
struct share {
	struct kw_party party;
	u64 ns;
};

struct shares {
	struct share of[SLOTS];
	u64 all_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct shares);
} scratch SEC(".maps");

/* A wait for space in a log. */
struct log_sleep {
	u64 since;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct log_sleep);
} log_sleeps SEC(".maps");

KW_RECORD(logwait);
KW_RECORD(commit);
KW_RECORD(fsync);

static __always_inline struct journal *journal_get(u32 dev, bool create)
{
	struct journal *j = bpf_map_lookup_elem(&journals, &dev);
	struct empty_journal *empty;
	u32 zero = 0;

	if (j || !create)
		return j;
	empty = bpf_map_lookup_elem(&empty_journal, &zero);
	if (!empty)
		return NULL;
	bpf_map_update_elem(&journals, &dev, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&journals, &dev);
}

/* For whom a slot is looked for, and which: its own, or the one that was idle longest. */
struct slot_search {
	const struct journal *j;
	struct kw_cg cg;
	u64 oldest;
	u32 at;
};

/* bpf_loop() callback. */
static int slot_look(u32 i, void *data)
{
	struct slot_search *c = data;
	const struct slot *s = &c->j->slot[i & OVERFLOW];

	if (s->used_ns && kw_cg_same(&s->party.cg, &c->cg)) {
		c->at = i;
		return 1;
	}
	if (!s->running && !s->committing && s->used_ns < c->oldest) {
		c->oldest = s->used_ns;
		c->at = i;
	}
	return 0;
}

/* Without the lock, under which there are no calls, and the verifier would go through each way of each step. */
static __always_inline u32 slot_find(const struct journal *j, const struct kw_party *party)
{
	struct slot_search c = { .j = j, .cg = party->cg, .oldest = ~0ULL, .at = OVERFLOW };

	bpf_loop(OVERFLOW, slot_look, &c, 0);
	return c.at;
}

/* With the lock held: the slot that was found, unless another cgroup has taken it meanwhile. */
static __always_inline struct slot *slot_get(struct journal *j, u32 at, const struct kw_party *party, u64 now)
{
	struct slot *s = &j->slot[at & OVERFLOW];

	if (!s->used_ns || !kw_cg_same(&s->party.cg, &party->cg)) {
		if (s->running || s->committing)
			s = &j->slot[OVERFLOW];
		/* Its integrals go on: differences taken by others stay right, the name on them may be the new one. */
		s->party = *party;
	}
	s->used_ns = now;
	return s;
}

SEC("tp_btf/jbd2_handle_stats")
int BPF_PROG(handle_stopped, dev_t dev, unsigned int tid, unsigned int type, unsigned int line, int interval, int sync,
	     int requested_blocks, int dirtied_blocks)
{
	struct kw_party self;
	struct journal *j;
	struct slot *s;
	u64 now;
	u32 at;

	if (dirtied_blocks <= 0 || kw_is_off())
		return 0;
	now = bpf_ktime_get_boot_ns();
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	j = journal_get(dev, true);
	if (!j) {
		kw_count_lost_other(KW_KIND_commit);
		return 0;
	}
	at = slot_find(j, &self);
	bpf_spin_lock(&j->lock);
	s = slot_get(j, at, &self, now);
	s->running += dirtied_blocks;
	bpf_spin_unlock(&j->lock);
	return 0;
}

static __always_inline struct journal *journal_of(struct journal_s *journal)
{
	return journal_get(BPF_CORE_READ(journal, j_fs_dev, bd_dev), false);
}

/* jbd2_journal_commit_transaction() runs in the journal's own thread, one at a time: phases need no lock. */
SEC("tp_btf/jbd2_start_commit")
int BPF_PROG(commit_started, struct journal_s *journal, struct transaction_s *transaction)
{
	struct journal *j = journal_of(journal);

	if (!j || kw_is_off())
		return 0;
	j->begin_ns = bpf_ktime_get_boot_ns();
	j->locked_ns = 0;
	j->logging_ns = 0;
	return 0;
}

/* With the lock held: what was committed counts half as much for each second since. */
static __always_inline void fade(struct journal *j, u64 now)
{
	u64 by = (now >> 30) - j->second;

	if (!by)
		return;
	j->second = now >> 30;
	for (u32 i = 0; i < SLOTS; i++)
		j->slot[i].committing = by < 32 ? j->slot[i].committing >> by : 0;
}

/* From here on no handle can join it (T_FLUSH): what was dirtied so far is what it commits. */
SEC("tp_btf/jbd2_commit_flushing")
int BPF_PROG(commit_flushing, struct journal_s *journal, struct transaction_s *transaction)
{
	struct journal *j = journal_of(journal);
	u64 now;

	if (!j)
		return 0;
	now = bpf_ktime_get_boot_ns();
	j->locked_ns = now;
	bpf_spin_lock(&j->lock);
	fade(j, now);
	for (u32 i = 0; i < SLOTS; i++) {
		j->slot[i].committing += j->slot[i].running;
		j->slot[i].running = 0;
	}
	bpf_spin_unlock(&j->lock);
	return 0;
}

SEC("tp_btf/jbd2_commit_logging")
int BPF_PROG(commit_logging, struct journal_s *journal, struct transaction_s *transaction)
{
	struct journal *j = journal_of(journal);

	if (j)
		j->logging_ns = bpf_ktime_get_boot_ns();
	return 0;
}

/* With the lock held: divides a commit of ns among those whose blocks it had. */
static __always_inline void divide(struct journal *j, u64 ns)
{
	u64 blocks = 0;

	for (u32 i = 0; i < SLOTS; i++)
		blocks += j->slot[i].committing;
	j->acc_ns += ns;
	for (u32 i = 0; i < SLOTS; i++) {
		struct slot *s = &j->slot[i];

		if (blocks && s->committing)
			s->acc_ns += ns * s->committing / blocks;
	}
}

/* Takes the largest share out of the scratch.  A function of its own, verified once. */
__noinline int largest_share(void)
{
	u32 zero = 0, best = SLOTS;
	struct shares *sh = bpf_map_lookup_elem(&scratch, &zero);
	u64 most = WORTH_NS;

	if (!sh)
		return SLOTS;
	for (u32 i = 0; i < SLOTS; i++) {
		if (sh->of[i].ns >= most) {
			most = sh->of[i].ns;
			best = i;
		}
	}
	return best;
}

#define COMMITTER(n)                                                                                            \
	do {                                                                                                    \
		u32 at_ = largest_share();                                                                      \
		if (at_ < SLOTS) {                                                                              \
			r->p.by##n = sh->of[at_].party.cg;                                                      \
			r->p.by##n##_ns = sh->of[at_].ns;                                                       \
			if ((n) == 1) {                                                                         \
				r->e.peer = sh->of[at_].party;                                                  \
				r->p.peer_ns = sh->of[at_].ns;                                                  \
			}                                                                                       \
			sh->of[at_].ns = 0;                                                                     \
		}                                                                                               \
	} while (0)

static __always_inline void tell_commit(u32 dev, struct journal *j, struct transaction_run_stats_s *stats,
					struct shares *sh, u64 begin_ns, u64 now)
{
	struct kw_cg nobody = {};
	struct kw_commit_record *r = kw_begin(KW_KIND_commit, &nobody, sizeof(*r), sizeof(r->p));

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = now;
	r->e.duration_ns = now - begin_ns;
	r->p.dev = dev;
	r->p.transaction = j->transaction;
	if (j->locked_ns && j->logging_ns) {
		r->p.locked_ns = j->locked_ns - begin_ns;
		r->p.flushing_ns = j->logging_ns - j->locked_ns;
		r->p.logging_ns = now - j->logging_ns;
	}
	r->p.handles = BPF_CORE_READ(stats, rs_handle_count);
	r->p.blocks = BPF_CORE_READ(stats, rs_blocks_logged);
	r->p.count = j->count;
	r->p.sum_ns = sh->all_ns;
	COMMITTER(1);
	COMMITTER(2);
	COMMITTER(3);
	kw_submit(r, false);
}

/* Before the waiters are woken, so that their differences have this commit. */
SEC("tp_btf/jbd2_run_stats")
int BPF_PROG(commit_done, dev_t dev, unsigned int tid, struct transaction_run_stats_s *stats)
{
	struct journal *j = journal_get(dev, false);
	u64 now = bpf_ktime_get_boot_ns(), begin_ns;
	u32 zero = 0;
	struct shares *sh = bpf_map_lookup_elem(&scratch, &zero);

	if (!j || !sh || !j->begin_ns)
		return 0;
	begin_ns = j->begin_ns;
	j->begin_ns = 0;
	j->transaction = tid;
	j->count++;
	bpf_spin_lock(&j->lock);
	divide(j, now - begin_ns);
	bpf_spin_unlock(&j->lock);
	if (now - begin_ns < kw_settings.block_threshold_ns && now - j->told_ns < COMMIT_SPAN_NS)
		return 0;
	for (u32 i = 0; i < SLOTS; i++) {
		sh->of[i].party = j->slot[i].party;
		sh->of[i].ns = j->slot[i].acc_ns - j->slot[i].told_ns;
		j->slot[i].told_ns = j->slot[i].acc_ns;
	}
	sh->all_ns = j->acc_ns - j->told_acc_ns;
	j->told_acc_ns = j->acc_ns;
	tell_commit(dev, j, stats, sh, begin_ns, now);
	j->told_ns = now;
	j->count = 0;
	return 0;
}

SEC("tp_btf/ext4_sync_file_enter")
int BPF_PROG(fsync_begun, struct file *file, int datasync)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct kw_task_state *st;
	struct fsync_state *f;
	struct journal *j;

	if (kw_is_off())
		return 0;
	f = bpf_task_storage_get(&fsyncs, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!f) {
		kw_count_lost_other(KW_KIND_fsync);
		return 0;
	}
	st = kw_task_state(task, false);
	f->begin_ns = bpf_ktime_get_boot_ns();
	f->datasync = datasync;
	f->inode = BPF_CORE_READ(inode, i_ino);
	f->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	f->other_ns = st ? st->other_total_ns : 0;
	BPF_CORE_READ_STR_INTO(&f->disk, inode, i_sb, s_id);
	j = journal_get(f->dev, false);
	f->acc_ns = j ? j->acc_ns : 0;
	for (u32 i = 0; i < SLOTS; i++)
		f->slot_ns[i] = j ? j->slot[i].acc_ns : 0;
	return 0;
}

/* Who had the commits that ended meanwhile. */
static __always_inline void gain(struct journal *j, const struct fsync_state *f, struct shares *ret)
{
	ret->all_ns = j->acc_ns - f->acc_ns;
	for (u32 i = 0; i < SLOTS; i++) {
		ret->of[i].party = j->slot[i].party;
		ret->of[i].ns = j->slot[i].acc_ns - f->slot_ns[i];
	}
}

static __noinline int blame_one(const struct kw_party *self, const struct kw_party *by, u32 dev, u64 ns)
{
	if (self && by && ns >= WORTH_NS)
		kw_sum_blame(KW_RES_JOURNAL, &self->cg, by, KW_SINK_CONTAINER, dev, ns);
	return 0;
}

/* Divides what the task slept for the journal in the proportion of the commits. */
static __always_inline void blame(const struct kw_party *self, u32 dev, const struct shares *sh, u64 journal_ns)
{
	u64 known = 0;

	/* Unrolled: before 6.4 the verifier takes some layouts of a loop that ends with a call for endless. */
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SLOTS; i++) {
		u64 ns = sh->all_ns ? journal_ns * sh->of[i].ns / sh->all_ns : 0;

		known += ns;
		blame_one(self, &sh->of[i].party, dev, ns);
	}
	if (journal_ns > known + WORTH_NS)
		kw_sum_blame(KW_RES_JOURNAL, &self->cg, NULL, KW_SINK_UNKNOWN, dev, journal_ns - known);
}

static __always_inline void tell_fsync(const struct kw_party *self, const struct fsync_state *f,
				       const struct shares *sh, u64 journal_ns, u64 now, s32 error)
{
	struct kw_fsync_record *r = kw_begin(KW_KIND_fsync, &self->cg, sizeof(*r), sizeof(r->p));
	u32 at;

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = now;
	r->e.duration_ns = now - f->begin_ns;
	r->e.subject = *self;
	r->e.error = error < 0 ? -error : 0;
	r->p.dev = f->dev;
	r->p.datasync = f->datasync;
	r->p.inode = f->inode;
	r->p.journal_ns = journal_ns;
	r->p.commit_ns = sh->all_ns;
	__builtin_memcpy(r->p.disk, f->disk, sizeof(f->disk));
	at = largest_share();
	if (at < SLOTS) {
		r->e.peer = sh->of[at].party;
		r->p.peer_ns = sh->of[at].ns;
		if (kw_cg_same(&r->e.peer.cg, &self->cg))
			r->e.flags = KW_FLAG_PEER_SELF;
	}
	kw_submit(r, error != 0);
}

SEC("tp_btf/ext4_sync_file_exit")
int BPF_PROG(fsync_done, struct inode *inode, int ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fsync_state *f = bpf_task_storage_get(&fsyncs, task, NULL, 0);
	u64 now = bpf_ktime_get_boot_ns(), journal_ns;
	struct kw_task_state *st;
	struct kw_party self;
	struct journal *j;
	struct shares *sh;
	u32 zero = 0;

	if (!f || !f->begin_ns)
		return 0;
	st = kw_task_state(task, false);
	journal_ns = st ? st->other_total_ns - f->other_ns : 0;
	j = journal_get(f->dev, false);
	sh = bpf_map_lookup_elem(&scratch, &zero);
	if (j && sh && (journal_ns || now - f->begin_ns >= kw_settings.block_threshold_ns)) {
		kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
		gain(j, f, sh);
		if (!kw_is_own(self.pid) && journal_ns)
			blame(&self, f->dev, sh, journal_ns);
		if (!kw_is_own(self.pid) && now - f->begin_ns >= kw_settings.block_threshold_ns)
			tell_fsync(&self, f, sh, journal_ns, now, ret);
	}
	f->begin_ns = 0;
	return 0;
}

/* ---- space that changes wait for ------------------------------------------------------------------------------------- */

#define SPACE_UNIT 512

/* until_committed: it is let go of by the next commit, else little by little. */
static __noinline int space_taken(u32 dev, u64 units, bool until_committed)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct kw_party self;
	struct journal *j;
	struct slot *s;
	u32 at;

	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	j = journal_get(dev, true);
	if (!j) {
		kw_count_lost_other(KW_KIND_logwait);
		return 0;
	}
	at = slot_find(j, &self);
	bpf_spin_lock(&j->lock);
	s = slot_get(j, at, &self, now);
	if (until_committed) {
		s->running += units;
	} else {
		fade(j, now);
		s->committing += units;
	}
	bpf_spin_unlock(&j->lock);
	return 0;
}

/* Divides ns in the proportion of what each reserved.  before: what is committed counts, too. */
static __always_inline void space_shares(struct journal *j, u64 ns, bool before, struct shares *ret)
{
	u64 units = 0;

	for (u32 i = 0; i < SLOTS; i++)
		units += j->slot[i].running + (before ? j->slot[i].committing : 0);
	ret->all_ns = ns;
	for (u32 i = 0; i < SLOTS; i++) {
		u64 its = j->slot[i].running + (before ? j->slot[i].committing : 0);

		ret->of[i].party = j->slot[i].party;
		ret->of[i].ns = units ? ns * its / units : 0;
	}
}

static __always_inline void tell_logwait(const struct kw_party *self, struct super_block *sb, u64 need_bytes, u64 log_bytes,
					 const struct shares *sh)
{
	struct kw_logwait_record *r = kw_begin(KW_KIND_logwait, &self->cg, sizeof(*r), sizeof(r->p));
	u32 at;

	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.duration_ns = sh->all_ns;
	r->e.subject = *self;
	r->p.dev = BPF_CORE_READ(sb, s_dev);
	r->p.need_bytes = need_bytes < ~0U ? need_bytes : ~0U;
	r->p.log_bytes = log_bytes;
	BPF_CORE_READ_STR_INTO(&r->p.disk, sb, s_id);
	at = largest_share();
	if (at < SLOTS) {
		r->e.peer = sh->of[at].party;
		r->p.peer_ns = sh->of[at].ns;
		if (kw_cg_same(&r->e.peer.cg, &self->cg))
			r->e.flags = KW_FLAG_PEER_SELF;
	}
	kw_submit(r, false);
}

/* since: monotonic, a wait for a commit began; 0: it was for space in a log. */
static __noinline int space_waited(struct super_block *sb, u64 since, u64 ns, u64 need_bytes, u64 log_bytes)
{
	u32 dev = BPF_CORE_READ(sb, s_dev), zero = 0;
	struct shares *sh = bpf_map_lookup_elem(&scratch, &zero);
	struct journal *j = journal_get(dev, false);
	struct kw_party self;

	if (!j || !sh)
		return 0;
	kw_party_of((struct task_struct *)bpf_get_current_task(), &self);
	if (kw_is_own(self.pid))
		return 0;
	/* Whom the commit wakes may be here before its end is told. */
	space_shares(j, ns, j->done_ns >= since, sh);
	blame(&self, dev, sh, ns);
	if (ns >= kw_settings.block_threshold_ns)
		tell_logwait(&self, sb, need_bytes, log_bytes, sh);
	return 0;
}

/* ---- the log of XFS ------------------------------------------------------------------------------------------------- */

static __always_inline int log_filled(struct xlog *log, struct xlog_ticket *ticket)
{
	if (kw_is_off())
		return 0;
	return space_taken(BPF_CORE_READ(log, l_mp, m_super, s_dev), (u32)BPF_CORE_READ(ticket, t_unit_res) / SPACE_UNIT,
			   false);
}

/* A change begins, */
SEC("tp_btf/xfs_log_reserve")
int BPF_PROG(log_reserved, struct xlog *log, struct xlog_ticket *ticket)
{
	return log_filled(log, ticket);
}

/* and one of several parts goes on. */
SEC("tp_btf/xfs_log_regrant")
int BPF_PROG(log_regranted, struct xlog *log, struct xlog_ticket *ticket)
{
	return log_filled(log, ticket);
}

SEC("tp_btf/xfs_log_grant_sleep")
int BPF_PROG(log_full, struct xlog *log, struct xlog_ticket *ticket)
{
	struct log_sleep *sleep;

	if (kw_is_off())
		return 0;
	sleep = bpf_task_storage_get(&log_sleeps, bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (sleep)
		sleep->since = bpf_ktime_get_boot_ns();
	else
		kw_count_lost_other(KW_KIND_logwait);
	return 0;
}

/* It runs again; when there still is not enough space it sleeps once more. */
SEC("tp_btf/xfs_log_grant_wake")
int BPF_PROG(log_has_space, struct xlog *log, struct xlog_ticket *ticket)
{
	struct log_sleep *sleep = bpf_task_storage_get(&log_sleeps, bpf_get_current_task_btf(), NULL, 0);
	u64 since;

	if (!sleep || !sleep->since)
		return 0;
	since = sleep->since;
	sleep->since = 0;
	return space_waited(BPF_CORE_READ(log, l_mp, m_super), 0, bpf_ktime_get_boot_ns() - since,
			    (u32)BPF_CORE_READ(ticket, t_unit_res), (u32)BPF_CORE_READ(log, l_logsize));
}

/* ---- metadata of btrfs ---------------------------------------------------------------------------------------------- */

#define BTRFS_BLOCK_GROUP_METADATA 4 /* include/uapi/linux/btrfs_tree.h */
#define SPACE_INF 0x6e695f6563617073ULL /* the first eight letters of "space_info" in memory */

/*
 * One of several kinds of reservation, told apart by name: this one is space among the metadata, with its flags as value
 * (DECLARE_SPACE_INFO_UPDATE, fs/btrfs/space-info.h).  What a kernel thread hands to those who wait is told when they go on.
 */
SEC("tp_btf/btrfs_space_reservation")
int BPF_PROG(space_reserved, struct btrfs_fs_info *fs, const char *type, u64 flags, u64 bytes, int reserve)
{
	u64 name = 0;

	if (!reserve || !(flags & BTRFS_BLOCK_GROUP_METADATA) || (bpf_get_current_task_btf()->flags & PF_KTHREAD) || kw_is_off())
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), type);
	return name == SPACE_INF ? space_taken(BPF_CORE_READ(fs, sb, s_dev), bytes / SPACE_UNIT, true) : 0;
}

/* The end of a wait for such space; the kernel itself has noted its beginning. */
SEC("tp_btf/btrfs_reserve_ticket")
int BPF_PROG(space_granted, struct btrfs_fs_info *fs, u64 flags, u64 bytes, u64 start_ns, int flush, int error)
{
	struct super_block *sb = BPF_CORE_READ(fs, sb);

	if (!(flags & BTRFS_BLOCK_GROUP_METADATA) || kw_is_off())
		return 0;
	space_waited(sb, start_ns, bpf_ktime_get_ns() - start_ns, bytes, 0);
	return error ? 0 : space_taken(BPF_CORE_READ(sb, s_dev), bytes / SPACE_UNIT, true);
}

SEC("tp_btf/btrfs_transaction_commit")
int BPF_PROG(space_committed, struct btrfs_fs_info *fs)
{
	struct journal *j = journal_get(BPF_CORE_READ(fs, sb, s_dev), false);

	if (!j)
		return 0;
	bpf_spin_lock(&j->lock);
	for (u32 i = 0; i < SLOTS; i++) {
		j->slot[i].committing = j->slot[i].running;
		j->slot[i].running = 0;
	}
	bpf_spin_unlock(&j->lock);
	j->done_ns = bpf_ktime_get_ns();
	return 0;
}
