#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes an assembler file that carries the given files and a table of them:
#   embed.sh objects FILE...   bpf_object_images[]  (collect/objects.h), named by basename without .bpf.o
#   embed.sh files FILE...     embedded_table[]     (base/embed.h), named by path, or as NAME=FILE says
# A table entry is three pointer-sized words: name, data, size.  Each file is followed by a NUL byte that its size
# leaves out.
set -eu

kind=$1
shift
case $kind in
objects) table=bpf_object_images ;;
files) table=embedded_table ;;
*) echo "embed.sh: unknown kind $kind" >&2; exit 2 ;;
esac

printf '\t.section .note.GNU-stack,"",%%progbits\n\t.section .rodata.%s,"a",%%progbits\n' "$table"
i=0
for file; do
	case $kind in
	objects) name=${file##*/} name=${name%.bpf.o} ;;
	files) name=${file%%=*} file=${file#*=} ;;
	esac
	printf '\t.balign 16\n.Ldata%d:\n\t.incbin "%s"\n.Lend%d:\n\t.byte 0\n.Lname%d:\n\t.asciz "%s"\n' \
		"$i" "$file" "$i" "$i" "$name"
	i=$((i + 1))
done

# The table holds addresses, which a position-independent program relocates at start.
printf '\t.section .data.rel.ro.%s,"aw",%%progbits\n\t.balign 8\n' "$table"
printf '\t.globl %s\n\t.type %s, %%object\n%s:\n' "$table" "$table" "$table"
j=0
while [ "$j" -lt "$i" ]; do
	printf '\t.quad .Lname%d, .Ldata%d, .Lend%d - .Ldata%d\n' "$j" "$j" "$j" "$j"
	j=$((j + 1))
done
printf '\t.quad 0, 0, 0\n\t.size %s, . - %s\n' "$table" "$table"
printf '\t.section .rodata.%s_count,"a",%%progbits\n\t.balign 4\n' "$table"
printf '\t.globl %s_count\n\t.type %s_count, %%object\n\t.size %s_count, 4\n%s_count:\n\t.long %d\n' \
	"$table" "$table" "$table" "$table" "$i"
