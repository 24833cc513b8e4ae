// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals that end their target: those whose default action is death, unless
 * the target handles them (a JVM lives with SIGSEGV).  SIGTERM always, handled
 * or not: it is how orchestrators stop a container.  And those that stop it.
 * What seccomp refuses comes by here, too: SIGSYS with the code SYS_SECCOMP.
 */
#define KW_VITAL
#include "bpf/drift.bpf.h"

char LICENSE[] SEC("license") = "GPL";

KW_RECORD(signal);
KW_RECORD(denied);

enum {
	NR_QUIT = 3, NR_ILL = 4, NR_TRAP = 5, NR_ABRT = 6, NR_BUS = 7, NR_FPE = 8, NR_KILL = 9, NR_SEGV = 11,
	NR_TERM = 15, NR_STOP = 19, NR_TSTP = 20, NR_XCPU = 24, NR_XFSZ = 25, NR_SYS = 31,
};

#define BIT(n) (1ULL << (n))
#define WATCHED                                                                                                   \
	(BIT(NR_QUIT) | BIT(NR_ILL) | BIT(NR_TRAP) | BIT(NR_ABRT) | BIT(NR_BUS) | BIT(NR_FPE) | BIT(NR_KILL) |  \
	 BIT(NR_SEGV) | BIT(NR_TERM) | BIT(NR_STOP) | BIT(NR_TSTP) | BIT(NR_XCPU) | BIT(NR_XFSZ) | BIT(NR_SYS))

/* include/linux/sched/signal.h: SEND_SIG_NOINFO, SEND_SIG_PRIV */
enum { INFO_NONE = 0, INFO_PRIV = 1 };
/* include/uapi/asm-generic/siginfo.h */
enum { CODE_USER = 0, CODE_KERNEL = 0x80, CODE_QUEUE = -1, CODE_TKILL = -6, SYS_SECCOMP = 1 };

static __always_inline int code_of(struct kernel_siginfo *info)
{
	if ((unsigned long)info == INFO_NONE)
		return CODE_USER;
	if ((unsigned long)info == INFO_PRIV)
		return CODE_KERNEL;
	return BPF_CORE_READ(info, si_code);
}

/* kill, tgkill and sigqueue run in their sender; everything else (faults, timers, terminals, OOM) is the kernel's. */
static __always_inline bool from_kernel(int code)
{
	return code != CODE_USER && code != CODE_TKILL && code != CODE_QUEUE;
}

static __always_inline bool handled(struct task_struct *task, int sig)
{
	struct sighand_struct *sighand = BPF_CORE_READ(task, sighand);
	/* Not action[sig - 1]: the compiler would take the size of our cut-down struct for the step. */
	struct k_sigaction *action = (void *)sighand + bpf_core_field_offset(sighand->action) +
				     (sig - 1) * bpf_core_type_size(struct k_sigaction);

	return BPF_CORE_READ(action, sa.sa_handler) != NULL;
}

/* force_sig_seccomp() runs in the caller of the refused system call. */
static __noinline int call_denied(const struct kw_party *target, int data, bool survives)
{
	struct kw_syscall call = {};
	struct kw_denied_record *r;

	if (!target)
		return 0;
	r = kw_begin(KW_KIND_denied, &target->cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	kw_syscall_of(kw_current(), &call);
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = *target;
	r->p.syscall = call.number;
	r->p.data = data;
	r->p.handled = survives;
	kw_submit(r, true);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(signal_fatal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	struct kw_signal_record *r;
	struct kw_party target;
	bool survives, refused;
	int code;

	if (sig <= 0 || sig > 31 || !(WATCHED >> sig & 1) || kw_is_off())
		return 0;
	code = code_of(info);
	survives = sig != NR_KILL && sig != NR_STOP && handled(task, sig);
	refused = sig == NR_SYS && code == SYS_SECCOMP;
	if (survives && sig != NR_TERM && !refused)
		return 0;
	kw_party_of(task, &target);
	if (refused)
		call_denied(&target, BPF_CORE_READ(info, si_errno), survives);
	r = kw_begin(KW_KIND_signal, &target.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject = target;
	r->p.signal = sig;
	r->p.code = code;
	r->p.group = group;
	r->p.result = result;
	r->p.handled = survives;
	r->p.by_kernel = from_kernel(code);
	if (!r->p.by_kernel) {
		kw_party_of((struct task_struct *)bpf_get_current_task(), &r->e.peer);
		if (kw_cg_same(&r->e.subject.cg, &r->e.peer.cg))
			r->e.flags |= KW_FLAG_PEER_SELF;
	}
	kw_submit(r, true);
	return 0;
}
