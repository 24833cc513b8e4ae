# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced: what the BPF objects ask of a kernel's types, looked up in its BTF without booting it.  bpftool resolves every
# CO-RE relocation and says in its debug text which have no target (its exit status does not).

# Types that a kernel may lack without asking for them one by one: what reads them is asked for first, or is reached
# only where they are there.
#	fuse_req fuse_mount fuse_chan fuse_conn: two ways to the connection (kw_fuse_conn), behind tracepoints of 6.10
#	xfs_mount xlog xlog_ticket btrfs_fs_info: in the BTF of modules, which is looked at when they are loaded
#	cfs_rq.throttled_clock_self: asked for as throttled_clock_self_time, which came with it
#	mm_struct.rss_stat: asked for as struct mm_rss_stat, which went with the former one
#	file_lock_core: asked for as a type
#	folio: behind tracepoints that hand one over
#	request_queue.disk: read where a request has no rq_disk; ucounts.rlimit: behind cred.ucounts
core_may_lack='fuse_req|fuse_mount|fuse_chan|fuse_conn|xfs_mount|xlog|btrfs_fs_info|cfs_rq\.throttled_clock_self|mm_struct\.rss_stat|file_lock_core|folio|request_queue\.disk|ucounts\.rlimit'

# Fields that are read but not there, and that nothing asks for: "OBJECT: FIELD" a line.  Flavours (struct x___y) are for
# some kernels only by their nature.
core_lacks() { # vmlinux, object...
	local vmlinux=$1 object text
	shift
	text=$(mktemp "${TMPDIR:-/tmp}/kwhy-core.XXXXXX") || return 1
	for object; do
		bpftool -d gen min_core_btf "$vmlinux" "$text.btf" "$object" >"$text" 2>&1 || { tail -n 1 "$text"; continue; }
		awk -v may="^($core_may_lack)" -v object="$(basename "$object" .bpf.o)" '
			/: relo #[0-9]+: </ {
				field = $0
				sub(/.*: relo #[0-9]+: /, "", field)
				how = field
				sub(/>.*/, ">", how)
				sub(/^<[a-z_]+> \[[0-9]+\] (struct|union|enum) /, "", field)
				sub(/ .*/, "", field)
			}
			/no matching targets found/ && how ~ /exists/ { asked[field] = 1 }
			/no matching targets found/ && how !~ /exists/ { lacks[field] = 1 }
			END {
				for (f in lacks) {
					known = f ~ /___/ || f ~ may
					for (a in asked)
						known = known || index(f, a) == 1
					if (!known)
						print object ": " f
				}
			}' "$text"
	done | sort -u
	rm -f "$text" "$text.btf"
}
