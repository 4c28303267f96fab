/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic enum log_level threshold = LOG_LEVEL_WARNING;

void
log_set_level(enum log_level level)
{
	atomic_store(&threshold, level);
}

static void
write_line(enum log_level level, const char *format, va_list args)
{
	/* sd-daemon(3) priorities */
	static const char *const journal[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char *const plain[] = { "error: ", "warning: ", "", "debug: " };
	const char *prefix = getenv("JOURNAL_STREAM") != NULL ? journal[level] : plain[level];
	char line[1024];
	int used, more;

	if (level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	used = snprintf(line, sizeof(line), "%s", prefix);
	more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
	used += more;
	if (more < 0 || used > (int)sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used] = '\n';
	/* one write, so that lines of several threads stay whole */
	if (write(STDERR_FILENO, line, (size_t)used + 1) < 0)
		return;
}

#define LOG_FUNCTION(name, level) \
	void name(const char *format, ...) \
	{ \
		va_list args; \
		va_start(args, format); \
		write_line(level, format, args); \
		va_end(args); \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
