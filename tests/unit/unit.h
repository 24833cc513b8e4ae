/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka and the headers it asks for, in the order it asks for them. */
#ifndef KWHY_TESTS_UNIT_UNIT_H
#define KWHY_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above. */
#include <cmocka.h>

#endif
