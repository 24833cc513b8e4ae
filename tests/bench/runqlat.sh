#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bpftrace wants the tracing file system, which containers and virtual machines often lack, in its place: run this in a
# mount namespace of its own.
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
[ -e /sys/kernel/debug/tracing ] || mount -t debugfs debugfs /sys/kernel/debug
exec bpftrace "${0%/*}/runqlat.bt"
