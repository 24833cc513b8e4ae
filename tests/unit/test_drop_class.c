/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "collect/drop_class.h"

static void drops_by_reason_then_by_place(void **state)
{
	(void)state;
	assert_string_equal(drop_class("NETFILTER_DROP", "nft_do_chain"), "policy");
	assert_string_equal(drop_class("SOCKET_RCVBUFF", "nf_hook_slow"), "rcvbuf");
	assert_string_equal(drop_class("QDISC_OVERLIMIT", NULL), "qdisc");
	assert_string_equal(drop_class("CPU_BACKLOG", NULL), "backlog");
	assert_string_equal(drop_class("NO_SOCKET", "tcp_v4_rcv"), "noport");
	assert_string_equal(drop_class("PROTO_MEM", "tcp_data_queue"), "memory");
	assert_string_equal(drop_class("NEIGH_CREATEFAIL", "ip6_finish_output2"), "neighbour");
	assert_string_equal(drop_class("NEIGH_FAILED", "neigh_invalidate"), "other");
	assert_string_equal(drop_class(NULL, "ip_finish_output2"), "neighbour");
	assert_string_equal(drop_class("TCP_ABORT_ON_DATA", "tcp_rcv_state_process"), "close");
	assert_string_equal(drop_class("NOT_SPECIFIED", "skb_rbtree_purge"), "close");
	assert_string_equal(drop_class(NULL, "__tcp_close"), "close");
	assert_string_equal(drop_class("TCP_CSUM", "nf_hook_slow"), "other");
	assert_string_equal(drop_class("NOT_SPECIFIED", "nf_hook_slow"), "policy");
	assert_string_equal(drop_class(NULL, "enqueue_to_backlog"), "backlog");
	assert_string_equal(drop_class(NULL, "tcf_action_exec"), "policy");
	assert_string_equal(drop_class(NULL, NULL), "other");
	assert_string_equal(drop_class("", ""), "other");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_by_reason_then_by_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
