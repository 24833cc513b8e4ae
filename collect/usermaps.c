/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/usermaps.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/demangle.h"

#define KEPT_NS (10 * NSEC_PER_SEC) /* an exec may have put something else at the same addresses */
#define AGAIN_NS NSEC_PER_SEC	    /* after an address that was not there: a library loaded since, or no address */
#define USER_HZ 100		    /* of /proc/PID/stat on every architecture we run on */
#define MAPS_MAX (128 * 1024)

struct process {
	uint32_t pid;	    /* 0: free */
	uint64_t loaded_ns; /* boot time */
	uint64_t used;
	struct user_region *regions; /* ascending */
	unsigned int count;
};

struct request {
	struct kw_party task;
	uint64_t ts_ns;
	uint64_t addresses[KW_STACK_FRAMES_MAX];
	unsigned int count;
};

/* What a file says of itself. */
struct looked {
	struct elfsyms *symbols; /* NULL when it has none, or must not be opened */
	char build_id[ELFSYMS_BUILD_ID_MAX];
};

/* One that was looked at. */
struct file {
	uint64_t inode; /* 0: free */
	unsigned int major, minor;
	uint64_t used;
	/* Boot time: then it is to be looked at once more, as its process was gone or there was no room; UINT64_MAX never. */
	uint64_t until_ns;
	struct looked has;
};

struct usermaps {
	char proc_dir[64];
	pthread_mutex_t lock; /* of all below but text */
	pthread_cond_t work, done;
	struct request queue[USERMAPS_QUEUE];
	unsigned int head, count; /* of the queue; the one that is being read stays in it */
	unsigned int owners;	  /* the caller and the thread: the last one frees */
	bool ending;
	uint64_t clock;
	int64_t left_ns; /* for reading, in this tick */
	struct process processes[USERMAPS_PROCESSES];
	struct file files[USERMAPS_FILES];
	char text[MAPS_MAX]; /* the thread's own */
};

static void forget(struct process *p)
{
	free(p->regions);
	*p = (struct process){ 0 };
}

/* The path is whatever the container calls its files; " (deleted)" stands behind one that is gone. */
static void take_name(struct user_region *r, const char *path)
{
	const char *slash = *path == '[' ? NULL : strrchr(path, '/');
	char *gone;

	snprintf(r->name, sizeof(r->name), "%s", slash ? slash + 1 : path);
	gone = strstr(r->name, " (deleted)");
	if (gone)
		*gone = '\0';
	if (!r->name[0])
		snprintf(r->name, sizeof(r->name), "[anonymous]");
	for (char *c = r->name; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == ';')
			*c = '?';
}

/*
 * "start-end perms offset dev inode   path", proc_pid_maps(5).  Only what can be executed counts: most lines are passed
 * over by one look at their permissions, as taking a line apart costs as much as the kernel took to write it.
 */
bool user_region_parse(const char *line, struct user_region *ret)
{
	const char *perms = strchr(line, ' ');
	int path = 0;

	if (!perms || strnlen(perms, 5) < 5 || perms[3] != 'x')
		return false;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %n", &ret->start, &ret->end,
		   &ret->offset, &ret->major, &ret->minor, &ret->inode, &path) < 6 || !path)
		return false;
	take_name(ret, line + path);
	if (ret->name[0] == '[')
		ret->offset = ret->inode = 0;
	return true;
}

static int add_region(struct process *p, const struct user_region *r, unsigned int *cap)
{
	if (p->count == *cap) {
		struct user_region *more = reallocarray(p->regions, *cap ? 2 * *cap : 16, sizeof(*more));

		if (!more)
			return -ENOMEM;
		*cap = *cap ? 2 * *cap : 16;
		p->regions = more;
	}
	p->regions[p->count++] = *r;
	return 0;
}

static void read_regions(struct usermaps *m, struct process *p, const char *path)
{
	unsigned int cap = 0;
	struct user_region r;
	char *save = NULL;

	file_read(AT_FDCWD, path, m->text, sizeof(m->text)); /* of a longer one its beginning */
	for (char *line = strtok_r(m->text, "\n", &save); line && p->count < USERMAPS_REGIONS_MAX;
	     line = strtok_r(NULL, "\n", &save))
		if (user_region_parse(line, &r) && add_region(p, &r, &cap) < 0)
			return;
}

/* Whether pid and thread still are who they were: their numbers are used again. */
static bool is_there(const struct usermaps *m, const struct kw_party *task)
{
	char path[128], text[512], *field;
	uint64_t ticks;

	snprintf(path, sizeof(path), "%s/%u/task/%u/stat", m->proc_dir, task->pid, task->tid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	field = strrchr(text, ')'); /* a comm may hold anything */
	for (unsigned int i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	return field && sscanf(field, "%" SCNu64, &ticks) == 1 && ticks == task->start_ns / (NSEC_PER_SEC / USER_HZ);
}

/* What reading costs, not how long it takes on a busy host. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* ---- what is known ----------------------------------------------------------------------------------------------- */

/* The one of that number, or the place that was not used for longest. */
static struct process *find(struct usermaps *m, uint32_t pid)
{
	struct process *oldest = &m->processes[0];

	for (unsigned int i = 0; i < USERMAPS_PROCESSES; i++) {
		if (m->processes[i].pid == pid)
			return &m->processes[i];
		if (m->processes[i].used < oldest->used)
			oldest = &m->processes[i];
	}
	return oldest;
}

static const struct user_region *region_of(const struct process *p, uint64_t address)
{
	for (unsigned int i = 0; i < p->count && p->regions[i].start <= address; i++)
		if (address < p->regions[i].end)
			return &p->regions[i];
	return NULL;
}

/* The file of a region, NULL when nobody has looked at it yet. */
static struct file *file_of(struct usermaps *m, const struct user_region *r)
{
	for (unsigned int i = 0; i < USERMAPS_FILES; i++) {
		struct file *f = &m->files[i];

		if (f->inode && f->inode == r->inode && f->major == r->major && f->minor == r->minor)
			return f;
	}
	return NULL;
}

static bool must_look(struct usermaps *m, const struct user_region *r, uint64_t ts_ns)
{
	const struct file *f = r && r->inode ? file_of(m, r) : NULL;

	return r && r->inode && (!f || ts_ns > f->until_ns);
}

static bool lacks_file(struct usermaps *m, const struct process *p, uint64_t ts_ns, const uint64_t *addresses,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (must_look(m, region_of(p, addresses[i]), ts_ns))
			return true;
	return false;
}

static bool knows_all(const struct process *p, const uint64_t *addresses, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (!region_of(p, addresses[i]))
			return false;
	return true;
}

static bool must_load(const struct process *p, const struct kw_party *task, uint64_t ts_ns, const uint64_t *addresses,
		      unsigned int count)
{
	/* Negative: samples of two CPUs come in any order. */
	int64_t age_ns = (int64_t)(ts_ns - p->loaded_ns);

	if (p->pid != task->pid || age_ns > KEPT_NS)
		return true;
	/* A task that began since may be of another process of the same number. */
	return age_ns > AGAIN_NS && (task->start_ns > p->loaded_ns || !knows_all(p, addresses, count));
}

static void name_function(struct usermaps *m, const struct user_region *r, struct user_frame *frame)
{
	struct file *f = r->inode ? file_of(m, r) : NULL;
	const char *name;

	if (!f)
		return;
	f->used = ++m->clock;
	name = f->has.symbols ? elfsyms_find(f->has.symbols, frame->offset, &frame->into) : NULL;
	if (!name)
		memcpy(frame->build_id, f->has.build_id, sizeof(frame->build_id));
	else if (!demangle(name, frame->function, sizeof(frame->function)))
		snprintf(frame->function, sizeof(frame->function), "%s", name);
}

void usermaps_resolve(struct usermaps *m, uint32_t pid, const uint64_t *addresses, unsigned int count,
		      struct user_frame *ret_frames)
{
	const struct process *p;

	pthread_mutex_lock(&m->lock);
	p = find(m, pid);
	for (unsigned int i = 0; i < count; i++) {
		const struct user_region *r = p->pid == pid ? region_of(p, addresses[i]) : NULL;

		ret_frames[i] = (struct user_frame){ 0 };
		snprintf(ret_frames[i].name, sizeof(ret_frames[i].name), "%s", r ? r->name : USERMAPS_UNKNOWN);
		if (!r || r->name[0] == '[')
			continue;
		ret_frames[i].offset = addresses[i] - r->start + r->offset;
		name_function(m, r, &ret_frames[i]);
	}
	pthread_mutex_unlock(&m->lock);
}

/* ---- what is wanted ---------------------------------------------------------------------------------------------- */

static bool is_queued(const struct usermaps *m, uint32_t pid)
{
	for (unsigned int i = 0; i < m->count; i++)
		if (m->queue[(m->head + i) % USERMAPS_QUEUE].task.pid == pid)
			return true;
	return false;
}

void usermaps_want(struct usermaps *m, const struct kw_party *task, uint64_t ts_ns, const uint64_t *addresses,
		   unsigned int count)
{
	struct process *p;

	pthread_mutex_lock(&m->lock);
	p = find(m, task->pid);
	if (p->pid == task->pid)
		p->used = ++m->clock;
	if (m->left_ns > 0 && m->count < USERMAPS_QUEUE && !is_queued(m, task->pid) &&
	    (must_load(p, task, ts_ns, addresses, count) || lacks_file(m, p, ts_ns, addresses, count))) {
		struct request *r = &m->queue[(m->head + m->count++) % USERMAPS_QUEUE];

		*r = (struct request){ .task = *task, .ts_ns = ts_ns, .count = MIN(count, KW_STACK_FRAMES_MAX) };
		memcpy(r->addresses, addresses, r->count * sizeof(*addresses));
		pthread_cond_signal(&m->work);
	}
	pthread_mutex_unlock(&m->lock);
}

void usermaps_wait(struct usermaps *m, unsigned int ms)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += (long)ms * NSEC_PER_MSEC;
	end.tv_sec += end.tv_nsec / NSEC_PER_SEC;
	end.tv_nsec %= NSEC_PER_SEC;
	pthread_mutex_lock(&m->lock);
	while (m->count && pthread_cond_timedwait(&m->done, &m->lock, &end) == 0)
		;
	pthread_mutex_unlock(&m->lock);
}

void usermaps_tick(struct usermaps *m)
{
	pthread_mutex_lock(&m->lock);
	m->left_ns = USERMAPS_TICK_NS;
	pthread_mutex_unlock(&m->lock);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void read_process(struct usermaps *m, const struct request *r, struct process *ret)
{
	char path[96];

	*ret = (struct process){ .pid = r->task.pid, .loaded_ns = r->ts_ns };
	snprintf(path, sizeof(path), "%s/%u/maps", m->proc_dir, r->task.pid);
	m->text[0] = '\0';
	if (is_there(m, &r->task))
		read_regions(m, ret, path);
}

/* Whether a file system of that device number, as the process sees it mounted, answers without anybody's help. */
static bool answers(struct usermaps *m, uint32_t pid, const struct user_region *r)
{
	static const char *const types[] = { "overlay", "tmpfs", "btrfs", "ramfs", "zfs", "bcachefs" };
	char path[96], number[32], *line, *type;

	if (r->major)
		return true; /* a disk's */
	snprintf(path, sizeof(path), "%s/%u/mountinfo", m->proc_dir, pid);
	m->text[0] = '\0';
	file_read(AT_FDCWD, path, m->text, sizeof(m->text));
	snprintf(number, sizeof(number), " %u:%u ", r->major, r->minor);
	line = strstr(m->text, number);
	type = line ? strstr(line, " - ") : NULL;
	for (size_t i = 0; type && i < ARRAY_SIZE(types); i++) {
		size_t len = strlen(types[i]);

		if (!strncmp(type + 3, types[i], len) && type[3 + len] == ' ')
			return true;
	}
	return false;
}

/* Opening a device does something: first it is looked at without that. */
static void read_regular(int place, struct looked *ret)
{
	char path[32];
	struct stat st;
	AUTO_CLOSE int fd = -1;

	if (fstat(place, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	elfsyms_read(fd, &ret->symbols);
	elfsyms_build_id(fd, ret->build_id);
}

/* False: it could not be looked at, as its process is gone. */
static bool look_at(struct usermaps *m, uint32_t pid, const struct user_region *r, struct looked *ret)
{
	char path[128];
	AUTO_CLOSE int place = -1;

	*ret = (struct looked){ .symbols = NULL };
	if (!answers(m, pid, r))
		return true;
	snprintf(path, sizeof(path), "%s/%u/map_files/%" PRIx64 "-%" PRIx64, m->proc_dir, pid, r->start, r->end);
	place = open(path, O_PATH | O_CLOEXEC);
	if (place >= 0)
		read_regular(place, ret);
	return place >= 0;
}

/* With the lock held: the place of that file, or the one to be given up. */
static struct file *place_of(struct usermaps *m, const struct user_region *r)
{
	struct file *f = file_of(m, r);

	if (f)
		return f;
	f = &m->files[0];
	for (unsigned int i = 0; i < USERMAPS_FILES; i++)
		if (m->files[i].used < f->used)
			f = &m->files[i];
	return f;
}

/* The file that has symbols and was not used for longest, other than that one; NULL while there is room for all. */
static struct file *superfluous(struct usermaps *m, const struct file *kept)
{
	struct file *oldest = NULL;
	size_t bytes = 0;

	for (unsigned int i = 0; i < USERMAPS_FILES; i++) {
		struct file *f = &m->files[i];

		bytes += elfsyms_bytes(f->has.symbols);
		if (f->has.symbols && f != kept && (!oldest || f->used < oldest->used))
			oldest = f;
	}
	return bytes > USERMAPS_SYMBOLS_MAX ? oldest : NULL;
}

/* Who gives up symbols is not read again at once, or a few large files would be read without end. */
static void keep_file(struct usermaps *m, const struct user_region *r, uint64_t ts_ns, bool done,
		      const struct looked *has)
{
	struct file *f = place_of(m, r), *other;

	elfsyms_free(f->has.symbols);
	*f = (struct file){ .inode = r->inode, .major = r->major, .minor = r->minor, .used = ++m->clock,
			    .until_ns = done ? UINT64_MAX : ts_ns + KEPT_NS, .has = *has };
	while ((other = superfluous(m, f))) {
		elfsyms_free(other->has.symbols);
		other->has.symbols = NULL;
		other->until_ns = ts_ns + KEPT_NS;
	}
}

/* With the lock held, but not while it reads: files of the request that nobody has looked at yet. */
static void read_files(struct usermaps *m, const struct request *request, const struct process *p, int64_t began)
{
	for (unsigned int i = 0; i < request->count && cpu_ns() - began < m->left_ns; i++) {
		const struct user_region *found = region_of(p, request->addresses[i]);
		struct user_region r;
		struct looked has;
		bool done;

		if (!must_look(m, found, request->ts_ns))
			continue;
		r = *found;
		pthread_mutex_unlock(&m->lock);
		done = look_at(m, request->task.pid, &r, &has);
		pthread_mutex_lock(&m->lock);
		keep_file(m, &r, request->ts_ns, done, &has);
	}
}

/* With the lock held, but not while it reads. */
static void serve_one(struct usermaps *m)
{
	const struct request request = m->queue[m->head];
	struct process fresh, *p;
	int64_t began = cpu_ns();

	if (m->left_ns > 0) {
		pthread_mutex_unlock(&m->lock);
		read_process(m, &request, &fresh);
		pthread_mutex_lock(&m->lock);
		p = find(m, request.task.pid);
		forget(p);
		*p = fresh;
		p->used = ++m->clock;
		read_files(m, &request, p, began);
		m->left_ns -= cpu_ns() - began;
	}
	m->head = (m->head + 1) % USERMAPS_QUEUE;
	if (!--m->count)
		pthread_cond_broadcast(&m->done);
}

/* Ends with the lock given back. */
static void let_go(struct usermaps *m)
{
	bool last = !--m->owners;

	pthread_mutex_unlock(&m->lock);
	if (!last)
		return;
	for (unsigned int i = 0; i < USERMAPS_PROCESSES; i++)
		forget(&m->processes[i]);
	for (unsigned int i = 0; i < USERMAPS_FILES; i++)
		elfsyms_free(m->files[i].has.symbols);
	pthread_cond_destroy(&m->work);
	pthread_cond_destroy(&m->done);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void *serve(void *arg)
{
	struct usermaps *m = arg;

	pthread_mutex_lock(&m->lock);
	while (!m->ending)
		if (m->count)
			serve_one(m);
		else
			pthread_cond_wait(&m->work, &m->lock);
	let_go(m);
	return NULL;
}

/* Detached: one that waits for a lock must not keep anybody from ending.  Signals are for the main thread. */
static int start_thread(struct usermaps *m)
{
	sigset_t all, former;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	r = pthread_create(&thread, NULL, serve, m);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (r == 0)
		pthread_detach(thread);
	return -r;
}

struct usermaps *usermaps_new(const char *proc_dir)
{
	struct usermaps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	snprintf(m->proc_dir, sizeof(m->proc_dir), "%s", proc_dir);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->work, NULL);
	pthread_cond_init(&m->done, NULL);
	m->owners = 2;
	m->left_ns = USERMAPS_TICK_NS;
	if (start_thread(m) < 0) {
		m->owners = 1;
		usermaps_free(m);
		return NULL;
	}
	return m;
}

void usermaps_free(struct usermaps *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->ending = true;
	pthread_cond_signal(&m->work);
	let_go(m);
}
