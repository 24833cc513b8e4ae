/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "base/strbuf.h"

/* A message is cut here: one write() below PIPE_BUF stays one line when several processes share standard error. */
#define MESSAGE_MAX 2048

static atomic_int log_level = LOG_LEVEL_INFO;
static const char *_Atomic log_stage;

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

void log_set_stage(const char *stage)
{
	atomic_store(&log_stage, stage);
}

static void PRINTF_LIKE(2, 0) log_message(enum log_level level, const char *fmt, va_list args)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;
	const char *stage = atomic_load(&log_stage);
	char text[MESSAGE_MAX];

	if ((int)level > atomic_load(&log_level))
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	strbuf_addf(&line, "kwhy%s%s: %s: ", stage ? " " : "", stage ? stage : "", names[level]);
	strbuf_add_plain(&line, text);
	strbuf_addch(&line, '\n');
	if (strbuf_error(&line))
		return;
	/* Nobody is left to tell when standard error is gone. */
	if (write(STDERR_FILENO, line.data, line.len) < 0)
		return;
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_message(LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
}

void log_warning(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_message(LOG_LEVEL_WARNING, fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_message(LOG_LEVEL_INFO, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_message(LOG_LEVEL_DEBUG, fmt, args);
	va_end(args);
}
