/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic enum log_level threshold = LOG_LEVEL_WARNING;

void
log_set_level(enum log_level level)
{
	atomic_store(&threshold, level);
}

/* sd-daemon(3): the variable is inherited by whatever the service starts, so it names the file */
bool
log_to_journal(void)
{
	const char *named = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return named != NULL && sscanf(named, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static void
write_line(enum log_level level, const char *format, va_list args)
{
	/* sd-daemon(3) priorities */
	static const char *const journal[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char *const plain[] = { "error: ", "warning: ", "", "debug: " };
	char line[1024];
	int used, more;

	if (level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	used = snprintf(line, sizeof(line), "%s", log_to_journal() ? journal[level] : plain[level]);
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
