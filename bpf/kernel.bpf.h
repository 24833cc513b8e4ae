/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types we read, cut down to the fields we read.  CO-RE finds the
 * real offsets on the running kernel, so order and padding mean nothing here.
 *
 * Why curated and not a generated vmlinux.h: it builds on hosts without BTF,
 * one reads here what kwhy depends on, and a field that a kernel lacks is
 * noticed by name.  Drift between kernels is handled in bpf/drift.bpf.h only.
 */
#ifndef KWHY_BPF_KERNEL_H
#define KWHY_BPF_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef int pid_t;
typedef _Bool bool;
enum { false = 0, true = 1 };
typedef unsigned long sector_t;
typedef u32 dev_t;
typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef atomic64_t atomic_long_t;

#define NULL ((void *)0)

struct bpf_spin_lock {
	u32 val;
};

struct in6_addr {
	u8 u6_addr8[16];
};

/* include/uapi/linux/bpf.h, the few we use */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1 << 0 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 << 0 };
enum { BPF_RB_NO_WAKEUP = 1 << 0, BPF_RB_FORCE_WAKEUP = 1 << 1 };
enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };
enum { BPF_F_USER_STACK = 1 << 8 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct kernfs_node {
	u64 id;
	const char *name;
	struct kernfs_node *parent;
};

struct cgroup_root {
	int hierarchy_id;
	u32 subsys_mask;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	struct list_head sibling;
	struct list_head children;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	int level;
	int nr_descendants;
	int max_descendants;
};

enum cgroup_subsys_id {
	cpuset_cgrp_id, cpu_cgrp_id, cpuacct_cgrp_id, io_cgrp_id, memory_cgrp_id, devices_cgrp_id, freezer_cgrp_id,
	net_cls_cgrp_id, perf_event_cgrp_id, net_prio_cgrp_id, hugetlb_cgrp_id, pids_cgrp_id, rdma_cgrp_id,
	misc_cgrp_id, CGROUP_SUBSYS_COUNT = 16,
};

struct css_set {
	struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
	struct cgroup *dfl_cgrp;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	u64 net_cookie;
};

struct nsproxy {
	struct net *net_ns;
};

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival;
	unsigned long long last_queued;
};

struct pcpu_hot {
	int preempt_count;
};

struct rq {
	u64 clock;
	u64 clock_task;
	u64 prev_steal_time_rq;
};

struct cfs_bandwidth {
	s64 period;
	u64 quota;
};

struct task_group {
	struct cgroup_subsys_state css;
	struct task_group *parent;
	struct cfs_bandwidth cfs_bandwidth;
};

struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
	u64 throttled_clock_self;
	u64 throttled_clock_self_time;
	bool throttled : 1;
	int throttle_count;
};

struct sched_entity {
	u64 exec_start;
	u64 sum_exec_runtime;
	struct sched_entity *parent;
	struct cfs_rq *cfs_rq;
};

struct thread_info {
	unsigned long flags;
	u32 cpu;
};

struct irqaction {
	const char *name;
};

struct cpumask {
	unsigned long bits[1];
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	unsigned int on_cpu; /* as this and the next became bytes in 7.x, unsigned ones can be read either way */
	unsigned int on_rq;
	int prio;
	int static_prio;
	unsigned int policy;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	int exit_code;
	int exit_state;
	unsigned int ptrace;
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct list_head tasks;
	struct task_struct *parent;
	u64 start_boottime;
	void *stack;
	char comm[16];
	struct css_set *cgroups;
	struct nsproxy *nsproxy;
	struct sched_entity se;
	struct sched_info sched_info;
	unsigned int in_iowait : 1;
	unsigned int frozen : 1;
	bool throttled;
	unsigned long blocker;
	unsigned long nvcsw;
	unsigned long nivcsw;
	struct mm_struct *mm;
	struct mem_cgroup *active_memcg;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	void *worker_private; /* struct kthread, of a kernel thread */
	struct files_struct *files;
	const struct cred *real_cred;
};

/* locks */

struct mutex {
	atomic_long_t owner;
};

struct rw_semaphore {
	atomic_long_t count;
	atomic_long_t owner;
};

/* memory */

struct page_counter {
	atomic_long_t usage;
	unsigned long high;
	unsigned long max;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
};

struct address_space {
	struct inode *host;
	unsigned long flags;
};

struct inode {
	unsigned short i_mode;
	s64 i_size;
	unsigned long i_ino;
	dev_t i_rdev;
	struct super_block *i_sb;
	struct rw_semaphore i_rwsem;
	struct file_lock_context *i_flctx;
	struct address_space i_data;
};

enum mapping_flags { AS_EXITING };

struct folio {
	struct address_space *mapping;
	unsigned long index;
	unsigned long memcg_data;
	unsigned int _nr_pages;
};

struct compact_control {
	u32 gfp_mask;
	int order;
};

enum pageflags { PG_head };

struct backing_dev_info {
	char dev_name[64];
};

struct bdi_writeback {
	struct backing_dev_info *bdi;
};

struct dirty_throttle_control {
	unsigned long dirty;
	unsigned long thresh;
	unsigned long wb_dirty;
	unsigned long wb_thresh;
};

struct percpu_counter {
	s64 count;
};

struct mm_struct {
	long unsigned int arg_start;
	long unsigned int arg_end;
	struct percpu_counter rss_stat[4];
	int map_count;
	struct rw_semaphore mmap_lock;
	struct task_struct *owner;
};

/* before 6.2 (f1a7941243c1, "mm: convert mm's rss stats into percpu_counter") */
struct mm_rss_stat___old {
	atomic_long_t count[4];
};

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
};

/* signals, limits of processes and users */

struct rlimit {
	unsigned long rlim_cur;
	unsigned long rlim_max;
};

struct signal_struct {
	atomic_t live;
	short oom_score_adj;
	struct rlimit rlim[16];
};

struct user_namespace {
	struct ucounts *ucounts; /* of who made it, in the namespace above */
	long ucount_max[16];
};

/* rlimit: the first of enum rlimit_type; since 5.14 (21d1c5e386bc, "Reimplement RLIMIT_NPROC on top of ucounts") */
struct ucounts {
	struct user_namespace *ns;
	atomic_long_t ucount[16];
	atomic_long_t rlimit[4];
};

enum ucount_type { UCOUNT_INOTIFY_INSTANCES, UCOUNT_INOTIFY_WATCHES };

struct fsnotify_group {
	struct list_head marks_list;
};

typedef struct {
	u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
	struct ucounts *ucounts;
};

struct pids_cgroup {
	struct cgroup_subsys_state css;
	atomic64_t counter;
	atomic64_t limit;
	atomic64_t events_local[2];
};

/* before 6.11 (3f26a885b3a4, "cgroup/pids: Add pids.events.local") */
struct pids_cgroup___old {
	atomic64_t events_limit;
};

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct kernel_siginfo {
	int si_signo;
	int si_errno;
	int si_code;
};

/* system calls: x86 and arm64 */

struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long orig_ax;
};

struct pt_regs___arm64 {
	u64 regs[31];
	u64 orig_x0;
	s32 syscallno;
};

/* block */

struct blkcg {
	struct cgroup_subsys_state css;
};

struct throtl_data;

struct blkcg_gq {
	struct blkcg *blkcg;
	struct blkcg_gq *parent;
	struct throtl_grp *pd[6]; /* of all policies; only those of blk-throttle are of this type */
};

/* [0] of reads, [1] of writes; U64_MAX and UINT_MAX: no limit */
struct throtl_grp {
	struct throtl_data *td;
	u64 bps[2];
	unsigned int iops[2];
};

/* before 6.10 (bf20ab538c81, "blk-throttle: remove CONFIG_BLK_DEV_THROTTLING_LOW"): [2][2], which BTF tells as one dimension; [..][1] is
   the limit */
struct throtl_grp___old {
	u64 bps[4];
	unsigned int iops[4];
};

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size;
};

struct block_device {
	struct gendisk *bd_disk;
	dev_t bd_dev;
};

struct bio {
	struct block_device *bi_bdev;
	unsigned int bi_opf;
	struct bvec_iter bi_iter;
	struct blkcg_gq *bi_blkg;
	u8 bi_status;
};

struct gendisk {
	int major;
	int first_minor;
	char disk_name[32];
	struct request_queue *queue;
};

struct request_queue {
	struct gendisk *disk;
	struct throtl_data *td;
	const struct blk_mq_ops *mq_ops;
};

/* kernel/kthread.c, kernel/workqueue_internal.h */
struct kthread {
	void *data; /* struct worker, of a kworker */
};

struct worker {
	void *current_func;
};

/* include/linux/blk-mq.h */
enum mq_rq_state { MQ_RQ_IDLE, MQ_RQ_IN_FLIGHT, MQ_RQ_COMPLETE };

struct request {
	enum mq_rq_state state;
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	sector_t __sector;
	struct bio *bio;
};

/* before 5.17 (f3fa33acca9f, "block: remove the ->rq_disk field in struct request") */
struct request___old {
	struct gendisk *rq_disk;
};

/* network */

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sk_buff_head {
	u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	u16 sk_protocol;
	int sk_err;
	int sk_wmem_queued;
	u32 sk_max_ack_backlog;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	struct sock_cgroup_data sk_cgrp_data;
	struct socket *sk_socket;
};

struct udp_sock {
	struct sk_buff_head reader_queue;
};

struct proto {
	long *sysctl_mem;
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	__u8 icsk_retransmits;
	struct {
		u32 lrcvtime;
	} icsk_ack;
};

/* lib/win_minmax.c: [0] is the least of the window */
struct minmax_sample {
	u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 snd_una;
	u32 srtt_us;
	u32 total_retrans;
	u32 lsndtime;
	u64 bytes_sent;
	u64 tcp_mstamp;
	u64 first_tx_mstamp;
	struct minmax rtt_min;
	struct {
		u32 rtt_us;
	} rcv_rtt_est;
	struct {
		u64 time;
	} rcvq_space;
};

struct Qdisc_ops {
	char id[16];
};

struct qdisc_skb_head {
	u32 qlen;
};

struct gnet_stats_queue {
	u32 backlog;
};

struct Qdisc {
	unsigned int flags;
	const struct Qdisc_ops *ops;
	struct qdisc_skb_head q;
	struct gnet_stats_queue qstats;
};

struct net_device {
	char name[16];
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	s64 tstamp;
	unsigned int len;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
};

enum skb_drop_reason {
	SKB_NOT_DROPPED_YET,
	SKB_CONSUMED,
	SKB_DROP_REASON_NOT_SPECIFIED,
	SKB_DROP_REASON_SOCKET_FILTER,
	SKB_DROP_REASON_OTHERHOST,
	SKB_DROP_REASON_TCP_OLD_DATA,
	SKB_DROP_REASON_TCP_OLD_ACK,
	SKB_DROP_REASON_TCP_OLD_SEQUENCE,
	SKB_DROP_REASON_TCP_RESET,
	SKB_DROP_REASON_TCP_CLOSE,
	SKB_DROP_REASON_SOCKET_CLOSE,
	SKB_DROP_REASON_UNIX_DISCONNECT,
	SKB_DROP_REASON_UNIX_SKIP_OOB,
	SKB_DROP_REASON_QUEUE_PURGE,
	SKB_DROP_REASON_TAP_TXFILTER,
};

struct percpu_rw_semaphore {
	atomic_t block;
};

/* files */

struct file_system_type {
	const char *name;
};

struct sb_writers {
	unsigned short frozen;
	struct percpu_rw_semaphore rw_sem[3];
};

typedef struct {
	__u8 b[16];
} uuid_t;

struct super_block {
	dev_t s_dev;
	struct block_device *s_bdev;
	struct file_system_type *s_type;
	struct sb_writers s_writers;
	char s_id[32];
	unsigned long s_flags;
	unsigned char s_blocksize_bits;
	uuid_t s_uuid;
	void *s_fs_info;
};

struct journal_s {
	struct block_device *j_fs_dev;
	char j_devname[64];
};

struct transaction_s {
	unsigned int t_tid;
};

struct transaction_run_stats_s {
	u32 rs_handle_count;
	u32 rs_blocks_logged;
};

struct ext4_super_block {
	u32 s_inodes_count;
	u32 s_blocks_count_lo;
	u32 s_log_block_size;
};

struct ext4_sb_info {
	struct ext4_super_block *s_es;
	struct percpu_counter s_freeclusters_counter;
	struct percpu_counter s_freeinodes_counter;
	struct percpu_counter s_dirtyclusters_counter;
	atomic64_t s_resv_clusters;
	unsigned int s_cluster_bits;
};

struct ext4_allocation_request {
	struct inode *inode;
	unsigned int len;
	unsigned int flags;
};

struct fuse_in_header {
	u32 opcode;
	u64 nodeid;
};

struct fuse_req {
	struct {
		struct fuse_in_header h;
	} in;
	struct fuse_mount *fm;
};

struct fuse_mount {
	struct fuse_conn *fc;
	struct super_block *sb;
};

struct fuse_conn {
	dev_t dev;
};

struct fuse_chan {
	struct fuse_conn *conn;
};

struct fuse_req___chan {
	struct fuse_chan *chan;
};

struct file_lock_context {
	struct list_head flc_flock;
	struct list_head flc_posix;
};

struct file_lock_core {
	struct list_head flc_list;
	pid_t flc_pid;
	struct file *flc_file;
};

/* before 6.9 (a69ce85ec9af, "filelock: split common fields into struct file_lock_core") */
struct file_lock___old {
	struct list_head fl_list;
	unsigned int fl_pid;
	struct file *fl_file;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	unsigned int f_mode;
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
	unsigned int next_fd;
};

struct socket {
	struct sock *sk;
};

struct unix_sock {
	struct sock *peer;
};

struct userfaultfd_ctx {
	struct mm_struct *mm;
};

struct xfs_mount {
	struct super_block *m_super;
};

struct xlog {
	struct xfs_mount *l_mp;
	int l_logsize;
};

struct xlog_ticket {
	int t_unit_res;
};

struct btrfs_fs_info {
	struct super_block *sb;
};

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* include/linux/sched.h */
#define TASK_RUNNING 0x0
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define __TASK_STOPPED 0x4
#define __TASK_TRACED 0x8
#define EXIT_ZOMBIE 0x20
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400
#define TASK_FROZEN 0x8000
#define PF_MEMALLOC 0x00000800
#define PF_KTHREAD 0x00200000
#define PF_WQ_WORKER 0x00000020
/* include/linux/sched/prio.h; deadline tasks have -1 */
#define MAX_RT_PRIO 100
/* include/uapi/linux/if_ether.h, in.h, socket.h; include/net/tcp_states.h */
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_FIN_WAIT1 4
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_NEW_SYN_RECV 12
#define TCQ_F_NOLOCK 0x100 /* include/net/sch_generic.h */

#endif
