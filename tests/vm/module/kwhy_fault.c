// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Faults of the kernel itself, for guests only: write "KIND SECONDS" to /proc/kwhy_fault.  The writer is the task it
 * happens to.  Kinds: softlockup, rcu, hung, mutex (held, while another writer of "mutex" waits), spin (a lock held with
 * preemption off, while a reader of the file spins for it), alloc (all memory that comes in the largest pieces, until one is
 * refused), workqueue, warning, oops.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#define SECONDS_MAX 60

#define PIECES_MAX 4096
#define PIECE_ORDER 10 /* pages, as a power of two: the largest that all kernels give */

static DEFINE_MUTEX(held);
static DEFINE_RWLOCK(spun_for); /* the first to spin for a plain one leaves no trace (qspinlock's pending bit) */
static unsigned int hog_seconds;

static void hog(struct work_struct *work)
{
	mdelay(hog_seconds * 1000);
}

static DECLARE_WORK(hog_work, hog);

static void spin(unsigned int seconds)
{
	preempt_disable();
	mdelay(seconds * 1000);
	preempt_enable();
}

static void stall_rcu(unsigned int seconds)
{
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < seconds * 1000; i++)
		mdelay(1);
	rcu_read_unlock();
}

static void sleep_on(unsigned int seconds)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(seconds * HZ);
}

static void hold(unsigned int seconds)
{
	mutex_lock(&held);
	msleep(seconds * 1000);
	mutex_unlock(&held);
}

static void hold_spinning(unsigned int seconds)
{
	write_lock(&spun_for);
	mdelay(seconds * 1000);
	write_unlock(&spun_for);
}

/* Atomic: without waiting for anything to be freed. */
static int allocate(void)
{
	struct page **pieces = kvcalloc(PIECES_MAX, sizeof(*pieces), GFP_KERNEL);
	unsigned int n = 0;

	if (!pieces)
		return -ENOMEM;
	while (n < PIECES_MAX && (pieces[n] = alloc_pages(GFP_ATOMIC, PIECE_ORDER)))
		n++;
	while (n-- > 0)
		__free_pages(pieces[n], PIECE_ORDER);
	kvfree(pieces);
	return 0;
}

static int provoke(const char *kind, unsigned int seconds)
{
	if (!strcmp(kind, "softlockup"))
		spin(seconds);
	else if (!strcmp(kind, "rcu"))
		stall_rcu(seconds);
	else if (!strcmp(kind, "hung"))
		sleep_on(seconds);
	else if (!strcmp(kind, "mutex"))
		hold(seconds);
	else if (!strcmp(kind, "spin"))
		hold_spinning(seconds);
	else if (!strcmp(kind, "alloc"))
		return allocate();
	else if (!strcmp(kind, "workqueue")) {
		hog_seconds = seconds;
		queue_work_on(raw_smp_processor_id(), system_wq, &hog_work);
	} else if (!strcmp(kind, "warning"))
		WARN(1, "kwhy_fault: asked to warn\n");
	else if (!strcmp(kind, "oops"))
		*(volatile int *)8 = 1;
	else
		return -EINVAL;
	return 0;
}

static ssize_t fault_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[32] = "", kind[16];
	unsigned int seconds;
	int r;

	if (size >= sizeof(text) || copy_from_user(text, from, size))
		return -EFAULT;
	if (sscanf(text, "%15s %u", kind, &seconds) != 2 || seconds > SECONDS_MAX)
		return -EINVAL;
	r = provoke(kind, seconds);
	return r < 0 ? r : size;
}

static ssize_t fault_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	read_lock(&spun_for);
	read_unlock(&spun_for);
	return 0;
}

static const struct proc_ops fault_ops = { .proc_read = fault_read, .proc_write = fault_write };

static int __init fault_init(void)
{
	return proc_create("kwhy_fault", 0600, NULL, &fault_ops) ? 0 : -ENOMEM;
}

static void __exit fault_exit(void)
{
	cancel_work_sync(&hog_work);
	remove_proc_entry("kwhy_fault", NULL);
}

module_init(fault_init);
module_exit(fault_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Kernel faults on demand, for test guests");
