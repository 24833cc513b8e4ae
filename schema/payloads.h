/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* All payload structs; one header each. */
#ifndef KWHY_SCHEMA_PAYLOADS_H
#define KWHY_SCHEMA_PAYLOADS_H

#include "schema/event.h"

#include "schema/ev_tick.h"
#include "schema/ev_cgroup.h"
#include "schema/ev_stack.h"
#include "schema/ev_probe.h"
#include "schema/ev_log.h"
#include "schema/ev_runq.h"
#include "schema/ev_throttle.h"
#include "schema/ev_tally.h"
#include "schema/ev_irq.h"
#include "schema/ev_nosched.h"
#include "schema/ev_offcpu.h"
#include "schema/ev_lock.h"
#include "schema/ev_reclaim.h"
#include "schema/ev_oom.h"
#include "schema/ev_oom_task.h"
#include "schema/ev_dirty.h"
#include "schema/ev_evict.h"
#include "schema/ev_block.h"
#include "schema/ev_drop.h"
#include "schema/ev_retransmit.h"
#include "schema/ev_signal.h"
#include "schema/ev_exit.h"
#include "schema/ev_freeze.h"
#include "schema/ev_wait.h"
#include "schema/ev_blame.h"
#include "schema/ev_usage.h"
#include "schema/ev_pressure.h"
#include "schema/ev_host.h"
#include "schema/ev_netstat.h"
#include "schema/ev_identity.h"
#include "schema/ev_source.h"
#include "schema/ev_iolimit.h"
#include "schema/ev_listen.h"
#include "schema/ev_netfail.h"
#include "schema/ev_stuck.h"

#endif
