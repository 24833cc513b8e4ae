/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/log.h"

static int take_account(const char *name, struct account *ret)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) || !found)
		return -ENOENT;
	ret->uid = entry.pw_uid;
	ret->gid = entry.pw_gid;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int account_find(const char *name, struct account *ret_account)
{
	*ret_account = (struct account){ 0 };
	if (!take_account(name, ret_account))
		return 0;
	ret_account->fallback = true;
	return take_account("nobody", ret_account);
}

void account_give(const char *name, const char *state_dir)
{
	struct account account;
	int r;

	if (geteuid() || account_find(name, &account))
		return;
	r = dir_give(state_dir, account.uid, account.gid);
	if (r)
		log_warning("kwhy serve will not be able to read %s, %s cannot have it: %s", state_dir, account.name,
			    strerror(-r));
}

static int failed(struct strbuf *err, const char *what)
{
	int error = errno;

	strbuf_addf(err, "%s: %s", what, strerror(error));
	return -error;
}

/* The bounding set limits what an exec could bring back; without CAP_SETPCAP it stays, and no_new_privs does the same.
 */
static void drop_bounding_set(void)
{
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int set_no_caps(void)
{
	cap_t none = cap_init();
	int r = none ? cap_set_proc(none) : -1;

	if (none)
		cap_free(none);
	return r;
}

int privilege_become(const struct account *account, struct strbuf *ret_error)
{
	drop_bounding_set();
	if (setgroups(0, NULL) || setresgid(account->gid, account->gid, account->gid) ||
	    setresuid(account->uid, account->uid, account->uid))
		return failed(ret_error, "cannot change to the server's account");
	if (set_no_caps())
		return failed(ret_error, "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(ret_error, "cannot give up privileges for good");
	if (account->uid && !setuid(0)) {
		strbuf_addstr(ret_error, "dropped privileges came back");
		return -EPERM;
	}
	return 0;
}

int privilege_keep_watching(gid_t gid, struct strbuf *ret_error)
{
	static const cap_value_t wanted[] = { CAP_BPF,	      CAP_PERFMON,	   CAP_SYS_ADMIN,
					      CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SYSLOG,
					      CAP_NET_ADMIN,  CAP_SYS_RESOURCE };
	cap_t have = cap_get_proc(), keep = cap_init();
	cap_flag_value_t permitted;
	int r = have && keep ? 0 : -1;

	/* An owner may give a file to a group it is in: new shards reach the server without CAP_CHOWN. */
	if (!r && geteuid() == 0)
		r = gid == (gid_t)-1 ? setgroups(0, NULL) : setgroups(1, &gid);
	for (size_t i = 0; !r && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (cap_get_flag(have, wanted[i], CAP_PERMITTED, &permitted) || permitted != CAP_SET)
			continue;
		r = cap_set_flag(keep, CAP_PERMITTED, 1, &wanted[i], CAP_SET) ||
		    cap_set_flag(keep, CAP_EFFECTIVE, 1, &wanted[i], CAP_SET);
	}
	if (!r)
		r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || cap_set_proc(keep);
	if (r)
		r = failed(ret_error, "cannot drop capabilities");
	if (have)
		cap_free(have);
	if (keep)
		cap_free(keep);
	return r;
}

int privilege_die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0))
		return -errno;
	/* It may have gone before the call. */
	return parent && getppid() != parent ? -ESRCH : 0;
}
